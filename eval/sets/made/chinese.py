"""The rules for Chinese: words are not told apart, so a closed list of topics and the marks of clauses do that."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import re
from collections.abc import Iterator, Sequence

from eval.sets.made.facts import Draft, Fact
from eval.sets.made.topics import CHINESE
from eval.sets.made.wordings import CHINESE as WORDINGS
from eval.sets.model import Turn

_SENTENCE = re.compile(r"(?<=[。！？!?])")
_CLAUSE = re.compile(r"[，,；;：:。！!]")
_OBJECT = (
    r"(?P<what>(?![和的了哦你我让要能起呢就来过是不更这那还])[^，。！？；：,.!?“”（()]{2,18})(?=[，。！？；：,.!?]|$)"
)
_OFTEN = r"(?:今天|昨天|最近|也|还|正|就|已经|一直|刚|刚刚|又|很|非常|比较|更|特别|真的|都|每天|打算|准备|其实|们)*"
_I = rf"(?:我{_OFTEN}|^(?:今天|昨天|最近){_OFTEN})"
# What is meant to be done in the talk itself is no plan.
_NOT = "(?!去|象|好|和你|跟你|问|找|聊|谈|向|请教|试|尝试|知道|说|多|更)"
_TODAY = "(?:今天|昨天|上午|下午|早上|晚上|周末)(?:我|和朋友|跟朋友|们)*(?=去|做|看|学|参加|买|写|吃|跑|完成|遇|收到)"
# Frame -> what a user says.
_SAID: Sequence[tuple[str, re.Pattern[str]]] = [
    (frame, re.compile(words + span))
    for frame, words, span in (
        ("place:went", rf"{_I}(?:去了|去过|来到了?|参观了)(?:一家|一个|一次|一趟|附近的)?", _OBJECT),
        ("place:want", rf"{_I}(?:想去|想要去|计划去|打算去|希望去)", _OBJECT),
        ("action:learn", rf"{_I}(?:在学习?|学会了?|学了|学到了|学习了?|开始学习?)(?:一些|一道|一个|如何)?", _OBJECT),
        ("action:watch", rf"{_I}(?:看了|在看|去看了?)(?:一部|一场|一本|一些)?(?!叫|名)", _OBJECT),
        ("action:buy", rf"{_I}(?:买了|购买了)(?:一些|一本|一件|一个)?", _OBJECT),
        ("action:make", rf"{_I}(?:做了|写了|画了)(?:一道|一个|一些|一幅|一份)?", _OBJECT),
        ("action:try", rf"{_I}(?:吃了|尝了|品尝了?|喝了)(?:一些|一道)?", _OBJECT),
        ("action:join", rf"{_I}(?:参加了|报名了?|注册了|加入了)(?:一个|一场|一次|一些)?", _OBJECT),
        ("action:meet", rf"{_I}(?:遇到了?|遇见了?|碰到了?|认识了)(?:一些|一个|一位)?", _OBJECT),
        ("action:prepare", rf"{_I}(?:在准备|准备着|要准备|准备)", _OBJECT),
        ("mind:like", rf"{_I}(?:喜欢|热爱|爱好是|感兴趣的是|喜欢的是)", _OBJECT),
        ("mind:plan", rf"{_I}(?:想要?|打算|计划|希望|在考虑|决定){_NOT}", _OBJECT),
        ("mind:felt", rf"{_I}(?:感到|感觉|觉得自己|心情)(?:有些|有点|非常|很)?", _OBJECT),
        ("mind:fear", rf"{_I}(?:担心|害怕|怕)", _OBJECT),
        ("action:do", _TODAY, _OBJECT),
    )
]
_ADVICE = re.compile(
    "(?:你(?:也|还)?(?:可以|不妨|应该|需要)|建议你?|推荐你?|试试|试着|尝试一?下?)"
    f"(?:尝试|试试|先|多|去|考虑|可以|试着|一下|看看|也)*{_OBJECT}"
)
_NUMBER = re.compile(r"(?:\d+|[两三四五六七八十]|几十|半)个?(?P<unit>分钟|小时|天|周|月|年|公里)")
# What can be called something: the frame's noun, its measure word, and the words by which it is known.
_CALLED = {
    "电影": ("部", "电影 影片 文艺片 喜剧片 科幻片 动作片 爱情片 惊悚片"),
    "书": ("本", "书 小说 书籍"),
    "歌": ("首", "歌 歌曲 曲子"),
    "游戏": ("个", "游戏"),
    "节目": ("个", "节目 电视剧 剧集 综艺"),
    "文章": ("篇", "文章"),
}
_CALLED_BY = {form: noun for noun, (_, forms) in _CALLED.items() for form in forms.split()}
_TITLE = re.compile(r"《(?P<what>[^》]+)》")
_EMPTY = re.compile(
    "(?:问题|电影|书|小说|活动|方法|东西|事情|困难|一部|一本|一个|一种|一些|一下|什么|这个|那个|这些|那些|相关|有关|好看|新|"
    "上映|很好|不错|很多|自己|你|我|他们?|它|这|那|的|了|和|去|吗|呢|啊|吧|聊天|分享)+"
)
# A span with these is a clause that goes on, no answer.
_SELF = re.compile("[我你您]")
_TAIL = re.compile(r"(?:的?时候|了|啊|呢|吧|呀|哦|过|的)$")


def facts(turns: Sequence[Turn]) -> list[Fact]:
    """All that can be asked for by a frame."""
    found: dict[tuple[str, str, str], Fact] = {}
    for before, turn in zip((None, *turns), turns, strict=False):
        asked = before.text if before is not None and before.session_id == turn.session_id else ""
        for frame, span in _spans(turn, asked):
            answer = _TAIL.sub("", span.strip())
            if len(answer) < 2 or _EMPTY.fullmatch(answer) or _SELF.search(answer):
                continue
            # What was asked names what an answer is about; the answer itself says more than that.
            about = topics(turn.text if turn.role == "user" else asked) - topics(answer) - {frame.split(":")[1]}
            found.setdefault((frame, turn.id, answer), Fact(frame, turn, answer, about))
    return list(found.values())


def _spans(turn: Turn, asked: str) -> Iterator[tuple[str, str]]:
    """Frames and what was said in them."""
    for sentence in _SENTENCE.split(turn.text):
        for match in _TITLE.finditer(sentence):
            noun = (
                _noun(sentence[: match.start()][::-1], backward=True) or _noun(sentence[match.end() :]) or _noun(asked)
            )
            # What the user has just named is not recommended to them.
            if noun is not None and (turn.role == "user" or match["what"] not in asked):
                yield f"{'title' if turn.role == 'user' else 'recommended'}:{noun}", match["what"]
        if sentence.endswith(("？", "?")):
            continue
        if turn.role != "user":
            advised = _ADVICE.search(sentence)
            if advised is not None and any(mark in asked for mark in "？?"):
                yield "advice:do", advised["what"]
            continue
        for clause in _CLAUSE.split(sentence):
            for frame, rule in _SAID:
                said = rule.search(clause)
                if said is not None:
                    yield frame, said["what"]
            counted = _NUMBER.search(clause)
            if counted is not None:
                yield f"action:{'far' if counted['unit'] == '公里' else 'long'}", counted[0]


def _noun(text: str, *, backward: bool = False) -> str | None:
    """What the nearest word in a text says that a title is the title of."""
    places = {
        noun: place for form, noun in _CALLED_BY.items() if (place := text.find(form[::-1] if backward else form)) >= 0
    }
    return min(places, key=lambda noun: places[noun], default=None)


def topics(text: str) -> frozenset[str]:
    """The topics of the list that a text names."""
    said = _TITLE.sub("", text)
    return frozenset(name for name, topic in CHINESE.items() if any(form in said for form in topic.forms))


def holds(text: str, span: str) -> bool:
    """Whether a span stands in a text."""
    return span.lower() in text.lower()


def on_day(day: dt.date, rng: random.Random) -> str:
    """The words for a day."""
    return rng.choice(("{0}月{1}日", "{0}月{1}号", "{0}月{1}日那天", "在{0}月{1}号")).format(day.month, day.day)


def about(topic: str, rng: random.Random, day: dt.date | None = None) -> str:
    """The words for a talk about a topic."""
    name = rng.choice(CHINESE[topic].names)
    words = rng.choice(("聊到{}的时候，", "说起{}那次，", "谈到{}时，")).format(name)
    return f"{on_day(day, rng)}{words}" if day else words


def named(topic: str, person: str | None, rng: random.Random) -> str:
    """A question for all that the user said of a topic."""
    return rng.choice(WORDINGS["topic"]).format(topic=rng.choice(CHINESE[topic].names), I=person or "我")


def wording(frame: str, person: str | None, when: str, rng: random.Random) -> str:
    """A question of this frame."""
    kind, _, what = frame.partition(":")
    template = rng.choice(WORDINGS.get(frame) or WORDINGS[kind])
    return template.format(when=when, I=person or "我", noun=what, unit=_CALLED.get(what, ("个",))[0])


_VAGUE = re.compile(
    r"聊|帮|分享|这|那|它|怎么样|怎样|如何|什么想法|需要|其他|其它|告诉|推荐|可以|还有|吗$|为什么|是怎么|你呢"
)
_ASKS = re.compile(
    r"(?:^|[，。！,!])(?P<asks>[^，。！？,!?]*(?:什么|哪|谁|多少|几|多长|多久|何时)[^，。！？,!?]*)[？?]"
)
_DROPPED = re.compile(r"最近|通常|平时|请问|比如|(?<!最)有趣的|特别|具体的|呢|啊|呀|一般|那么|真的")
_SWAPPED = {"旅游": "旅行", "喜欢": "爱", "类型": "种类", "打算": "计划", "觉得": "说", "书籍": "书"}


def replies(turns: Sequence[Turn], person: str, rng: random.Random) -> list[Draft]:
    """The assistant's questions, asked again of the user's answers."""
    drafts = []
    for asking, answering in itertools.pairwise(turns):
        if (asking.role, answering.role) != ("assistant", "user") or asking.session_id != answering.session_id:
            continue
        answer = _SENTENCE.split(answering.text)[0].rstrip("。！!")
        for match in _ASKS.finditer(asking.text):
            asked = match["asks"]
            if _VAGUE.search(asked) or not re.search("[你您]", asked) or len(answer) < 6 or re.search("[?？]", answer):
                continue
            drafts.append(
                Draft(_turned(asked, person if rng.random() < 0.25 else "我", rng), (answer,), (answering.id,), "reply")
            )
            break
    return drafts


def _turned(asked: str, who: str, rng: random.Random) -> str:
    """A question to "you", asked by "I" or about a person, in slightly other words."""
    text = _DROPPED.sub("", asked)
    for word, other in _SWAPPED.items():
        if rng.random() < 0.5:
            text = text.replace(word, other)
    return re.sub("你们?|您", who, text).strip() + "？"
