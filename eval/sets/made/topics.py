"""Closed lists of what people talk about, for the rules of both languages: each line names a topic in the words of a
question (one of which is drawn), and then the words by which a message is known to be about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """`names` are for questions, `forms` for messages."""

    names: tuple[str, ...]
    forms: tuple[str, ...]


def _read(lines: str, apart: str) -> Mapping[str, Topic]:
    found = {}
    for line in lines.strip().splitlines():
        names, _, forms = line.partition(":")
        told = tuple(name.strip() for name in names.split(apart))
        found[told[0]] = Topic(told, tuple(forms.split()))
    return found


ENGLISH = _read(
    """
    movies, films, the cinema: movie movies film films cinema
    books, reading: book books novel novels reading
    music, songs: music song songs concert singing
    painting, drawing, pictures: painting paintings paint painted drawing
    the piano: piano
    the guitar: guitar
    photography, taking pictures: photography photos photo pictures shooting
    travel, a journey, going away: travel traveling travelling trip traveled tour
    cooking, making food: cooking cook cooked recipe recipes
    a dish, food: dish dishes
    restaurants, eating out: restaurant restaurants dinner
    stress, pressure, strain: stress stressed pressure
    anxiety, being nervous, worries: anxious anxiety nervous worried worry
    loneliness, being alone: lonely loneliness
    being tired, fatigue: tired fatigue exhausted
    sleep, nights: sleep sleeping
    yoga: yoga
    meditation: meditation meditate
    running, jogging: running run ran jogging
    swimming: swimming swim
    hiking, mountains: hiking hike mountain mountains climbing climb
    fitness, exercise, working out: fitness exercise exercising gym workout
    the park, a walk: park walk walking
    museums, exhibitions: museum museums exhibition exhibitions
    work, the office: work job workplace
    colleagues, people at work: colleague colleagues boss leader
    a career, the future: career careers
    an interview: interview interviews
    study, school: study studying studies exam exams school
    languages, foreign words: language languages english french japanese
    programming, code: programming code coding program
    computers, technology: computer computers technology
    games, playing: game games gaming
    friends, friendship: friends friendship
    family, relatives, parents: family parents mother father
    a birthday, getting older: birthday
    a gift, a present: gift gifts present presents
    clothes, what to wear: clothes dress outfit clothing wear
    shopping: shopping bought purchased
    handicrafts, making things by hand: handicrafts handicraft crafts craft handmade
    writing: writing write wrote
    history: history historical
    culture: culture cultural
    psychology: psychology psychological
    time, being on time: procrastination procrastinating schedule
    a relationship, a partner: girlfriend boyfriend dating
    tea: tea
    coffee, a cafe: coffee cafe
    plants, gardening, flowers: plants plant flowers flower gardening garden
    pets, animals: pet pets cat dog cats dogs animals
    the weather: weather sunny rain rainy
    the sea, the beach: beach seaside ocean
    money, saving: money saving finance financial investment
    health, diet: health healthy diet
    dreams, goals: dream dreams goal goals
    television, shows: tv television drama dramas
    dance, dancing: dance dancing
    fish: fish
    chicken: chicken
    insomnia, lying awake: insomnia
    """,
    ",",
)
CHINESE = _read(
    """
    电影、影片、看片子: 电影 影片 片子
    书、读书、阅读: 书籍 小说 阅读 读书 这本书 一本书
    音乐、歌: 音乐 歌曲 听歌 演唱会 唱歌
    画画、绘画: 绘画 画画 画作 画家
    钢琴: 钢琴
    吉他: 吉他
    拍照、摄影: 摄影 拍照 照片 拍摄
    旅游、旅行、出去玩: 旅游 旅行
    做菜、做饭、下厨: 做菜 做饭 烹饪 厨艺 菜谱
    菜、吃的: 菜肴 一道菜 美食
    餐厅、饭馆: 餐厅 餐馆 饭店
    压力、减压: 压力 减压
    焦虑、紧张: 焦虑 紧张 担心
    孤独、一个人: 孤独 寂寞
    累、疲劳: 疲惫 疲劳 疲倦
    睡觉、休息: 睡眠 睡觉 失眠
    瑜伽: 瑜伽
    冥想: 冥想
    跑步: 跑步
    游泳: 游泳
    爬山、登山、徒步: 爬山 登山 徒步 攀岩
    健身、锻炼: 健身 锻炼 运动
    公园、散步: 公园 散步
    博物馆、展览: 博物馆 展览
    工作、上班: 工作 上班 加班
    同事、上司: 同事 上司 老板 领导
    职业、事业: 职业 事业
    面试: 面试
    学习、上学: 考试 学校 复习 功课
    外语、语言: 语言 英语 日语 法语
    编程、写代码: 编程 代码 程序
    电脑、科技: 电脑 科技 技术
    游戏: 游戏
    朋友、好友: 我的朋友 朋友们 友谊 和朋友
    家人、家里人: 家人 父母 妈妈 爸爸
    生日: 生日
    礼物: 礼物
    衣服、穿着: 衣服 裙子 穿着
    购物、买东西: 购物 逛街 买了
    手工、做手工: 手工
    写作、写东西: 写作 文章 写了
    历史: 历史
    文化: 文化
    心理学、心理: 心理
    拖延、时间安排: 拖延 时间管理
    感情、恋爱: 恋爱 女朋友 男朋友 谈恋爱
    茶、喝茶: 茶叶 品茶 泡茶
    咖啡: 咖啡
    花、植物: 植物 花朵 樱花 养花
    宠物、动物: 宠物 小猫 小狗 动物
    天气: 天气
    海、海边: 海边 大海 海滩
    钱、理财: 理财 投资 存钱
    健康、饮食: 健康 饮食
    梦想、目标: 梦想 目标
    电视剧、电视: 电视剧 电视
    跳舞、舞蹈: 舞蹈 跳舞
    鱼: 鲈鱼 糖醋鱼 鱼肉
    """,
    "、",
)
