"""How the questions of each frame are asked, in both languages; `{when}` is a day, a topic, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ENGLISH: Mapping[str, Sequence[str]] = {
    "title": (
        "What is the {noun} called that {I} mentioned{when}?",
        "Which {noun} did {I} tell you about{when}?",
        "What was the name of the {noun} {I} brought up{when}?",
    ),
    "recommended": (
        "What {noun} did you recommend{when}?",
        "Which {noun} did you suggest to me{when}?",
        "You told me about a {noun}{when}. What is its name?",
        "What was the {noun} you said I should not miss{when}?",
    ),
    "advice": (
        "What did you suggest{when}?",
        "What was your advice{when}?",
        "What did you tell me to do{when}?",
        "What tip did you give me{when}?",
    ),
    "action:long": (
        "How long was it that {I} mentioned{when}?",
        "How much time was it{when}?",
        "How long did {I} say{when}?",
    ),
    "action:far": ("How far was it that {I} mentioned{when}?", "How far did {I} say{when}?"),
    "place:went": (
        "Where did {I} go{when}?",
        "Which place did {I} tell you of{when}?",
        "Where had {I} been{when}?",
    ),
    "place:want": ("Where did {I} want to go{when}?", "Which place was on {my} list{when}?"),
    "action:learn": (
        "What skill {was} {I} picking up{when}?",
        "What was the subject of {my} studies{when}?",
        "What {was} {I} being taught{when}?",
    ),
    "action:watch": ("What did {I} see{when}?", "What had {I} been watching{when}?"),
    "action:read": ("What did {I} read{when}?", "What {was} {I} reading{when}?"),
    "action:buy": ("What did {I} buy{when}?", "What did {I} spend money on{when}?"),
    "action:make": ("What did {I} make{when}?", "What did {I} produce with {my} own hands{when}?"),
    "action:try": ("What did {I} eat or drink{when}?", "What had {I} tried{when}?"),
    "action:join": ("What did {I} take part in{when}?", "Which event or course did {I} join{when}?"),
    "action:meet": ("What did {I} come across{when}?", "What did {I} run into{when}?"),
    "action:prepare": ("What {was} {I} getting ready for{when}?", "What did {I} have to prepare{when}?"),
    "action:do": ("What did {I} do{when}?", "What happened in {my} day{when}?", "What had {I} been up to{when}?"),
    "mind:like": (
        "What did {I} like{when}?",
        "What did {I} speak of with pleasure{when}?",
        "Which favourites did {I} name{when}?",
    ),
    "mind:plan": (
        "What {was} {I} planning to do{when}?",
        "What did {I} have in mind{when}?",
        "What did {I} want{when}?",
        "What plan did {I} tell you about{when}?",
    ),
    "mind:felt": ("How did {I} feel{when}?", "What mood {was} {I} in{when}?", "How {was} {I} doing{when}?"),
    "mind:fear": (
        "What {was} {I} worried about{when}?",
        "What frightened {me}{when}?",
        "What were {my} concerns{when}?",
    ),
    "topic": (
        "What {have} {I} told you about {topic}?",
        "What did {I} ever say about {topic}?",
        "What do you know of {topic} in {my} life?",
        "When did {I} speak about {topic}, and what was it?",
    ),
}
CHINESE: Mapping[str, Sequence[str]] = {
    "title": (
        "{when}{I}提到的那{unit}{noun}叫什么名字？",
        "{when}{I}跟你说过哪{unit}{noun}？",
        "还记得{when}{I}说的{noun}是哪{unit}吗？",
    ),
    "recommended": (
        "{when}你推荐给我的{noun}是什么？",
        "{when}你给我推荐过哪{unit}{noun}？",
        "{when}你说很不错的{noun}叫什么？",
    ),
    "recommended:电影": (
        "{when}你推荐我看什么电影？",
        "{when}你给我推荐过哪部影片？",
        "{when}你说值得一看的电影叫什么？",
    ),
    "recommended:书": ("{when}你推荐我读什么书？", "{when}你给我推荐过哪本书？", "{when}你说值得一读的书叫什么？"),
    "advice": (
        "{when}你给了我什么建议？",
        "{when}你叫我怎么做？",
        "{when}你让我试试什么办法？",
        "{when}你出了什么主意？",
    ),
    "action:long": ("{when}{I}说的是多久？", "{when}{I}说要多长时间？", "{when}{I}提到的是多少时间？"),
    "action:far": ("{when}{I}说的是多远？", "{when}{I}走了多少路？"),
    "place:went": ("{when}{I}去了哪里？", "{when}{I}到过什么地方？", "{when}{I}说自己去的是哪儿？"),
    "place:want": ("{when}{I}想去哪里？", "{when}{I}打算到什么地方去？"),
    "action:learn": ("{when}{I}在学什么？", "{when}{I}说自己学了些什么？"),
    "action:watch": ("{when}{I}看了什么？", "{when}{I}说看过什么？"),
    "action:buy": ("{when}{I}买了什么？", "{when}{I}花钱买的是什么？"),
    "action:make": ("{when}{I}做了什么东西？", "{when}{I}说自己亲手做的是什么？"),
    "action:try": ("{when}{I}吃了什么？", "{when}{I}尝过什么？"),
    "action:join": ("{when}{I}参加了什么？", "{when}{I}报名的是什么活动？"),
    "action:meet": ("{when}{I}碰到了什么？", "{when}{I}遇上什么事了？"),
    "action:prepare": ("{when}{I}在为什么做准备？", "{when}{I}要准备什么？"),
    "action:do": ("{when}{I}做了些什么？", "{when}{I}干什么去了？", "{when}{I}那天过得怎样，做了什么？"),
    "mind:like": ("{when}{I}说自己喜欢什么？", "{when}{I}的爱好是什么？", "{when}{I}偏爱的是什么？"),
    "mind:plan": ("{when}{I}有什么打算？", "{when}{I}计划做什么？", "{when}{I}想干什么？"),
    "mind:felt": ("{when}{I}心情怎么样？", "{when}{I}是什么感受？", "{when}{I}状态如何？"),
    "mind:fear": ("{when}{I}在担心什么？", "{when}{I}怕的是什么？"),
    "topic": ("关于{topic}，{I}跟你说过什么？", "{I}都讲过哪些和{topic}有关的事？", "{I}提到{topic}的时候都说了什么？"),
}
