"""The words of each language: adding a language is adding a table.

Names of months and of weekdays stand in their order, those of one month apart by spaces. All other words and phrases
are apart by commas. `ahead` and `back` are expressions that match what says that a clause looks ahead or back.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Language:
    """What a language has for the grammar's classes of words."""

    name: str
    months: tuple[str, ...]
    weekdays: tuple[str, ...]
    numbers: tuple[str, ...]
    units: dict[str, str]
    which: dict[int, str]  # last, this, next
    named: dict[int, str]  # days away from today
    words: dict[str, str]  # of, the, and, to, in, ago and so on
    common: str  # words that tell the language
    ahead: str
    back: str
    ordinals: tuple[str, ...] = ()
    days: tuple[str, ...] = ()  # 1日 to 31日
    seasons: dict[str, str] = field(default_factory=dict)
    holidays: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    periods: dict[tuple[str, int], str] = field(default_factory=dict)  # one word for "last year"
    dense: bool = False  # written without spaces
    day_first: bool = True  # 03/04/1990 is 3 April
    present_ahead: bool = True  # "on Friday I go" looks ahead where nothing looks back
    weekday_of_week: bool = False  # "next Friday" is that of next week
    which_after: bool = False  # "semana pasada"
    doubtful: str = ""  # names that are other words too: they take a capital and a preposition


ENGLISH = Language(
    name="en",
    months=("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
            "september sept sep", "october oct", "november nov", "december dec"),
    weekdays=("monday mon", "tuesday tues tue", "wednesday wed", "thursday thurs thur thu", "friday fri",
              "saturday sat", "sunday sun"),
    numbers=("zero", "a an one", "two couple", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
             "eleven",
             "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
    ordinals=("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    units={"day": "day, days", "week": "week, weeks", "weekend": "weekend, weekends", "month": "month, months",
           "year": "year, years", "decade": "decade, decades", "fortnight": "fortnight, fortnights",
           "quarter": "quarter, quarters", "hour": "hour, hours, hr, hrs", "minute": "minute, minutes, mins"},
    which={-1: "last, past, previous, this past, this last", 0: "this", 1: "next, coming, upcoming, this coming"},
    named={0: "today, tonight, this morning, this afternoon, this evening, earlier today, later today",
           -1: "yesterday, last night, yesterday night", 1: "tomorrow, tmrw", -2: "the day before yesterday,"
           "day before yesterday", 2: "the day after tomorrow, day after tomorrow"},
    seasons={"spring": "spring, springtime", "summer": "summer, summertime", "autumn": "autumn, fall",
             "winter": "winter, wintertime"},
    holidays={"christmas": "christmas, christmas day, xmas",
             "christmas days": "at christmas, over christmas, during christmas, for christmas, around christmas,"
             "at xmas, over xmas, for xmas, christmastime, christmas break",
             "christmas eve": "christmas eve, xmas eve",
              "boxing day": "boxing day", "new year": "new year's day, new years day", "new year's eve":
              "new year's eve, new years eve, new year eve, nye", "halloween": "halloween", "valentine":
              "valentine's day, valentines day, valentine's", "saint patrick": "st. patrick's day, st patrick's day",
              "independence day": "the fourth of july, fourth of july, the 4th of july",
              "easter": "easter, easter sunday", "good friday": "good friday", "easter monday": "easter monday",
              "ash wednesday": "ash wednesday", "palm sunday": "palm sunday", "whit sunday": "pentecost",
              "thanksgiving": "thanksgiving, thanksgiving day", "black friday": "black friday",
              "labor day": "labor day", "memorial day": "memorial day"},
    parts={"early": "early, early in, early on in", "mid": "mid, middle of, the middle of, midway through",
           "late": "late, late in, later in", "start": "beginning of, start of, the beginning of, the start of",
           "end": "end of, the end of"},
    words={"on": "on, in, at, by, since, until, till, during, around, before, after, for, over, through, throughout, "
                 "of, from, about, as of, back in, due, come", "the": "the, these, those", "of": "of, in, on",
           "and": "and, '-', –",
           "to": "to, until, till, through, '-', –", "from": "from", "between": "between",
           "before": "before, prior to",
           "after": "after, following, from", "ago": "ago, back", "later": "from now, ' time, 's time",
           "beforelast": "before last", "afternext": "after next",
           "firm": "in, on, by, since, until, till, during, back in", "since": "since", "within": "within",
           "numeral": "of, a", "genitive": "of", "weekon": "on",
           "in": "in, within", "for": "for", "goal": "for, to", "few": "few, a few, several, some", "now": "now",
           "half": "half, half a", "andahalf": "and a half",
           "about": "about, almost, nearly, over, around, roughly, just, just over",
           "daypart": "morning, afternoon, evening, night", "halves": "half, halves",
           "recently": "recently, lately, these days, the other day",
           "never": "every, each, any, a, some, most, many, all, another, one, alternate, once, twice, times",
           "born": "born"},
    common="the, and, i, you, we, is, was, to, my, it, that, for, of, a, an, on, at, with, he, she, they, have, "
        "this, last, next,"
    "ago, few, in, day, our, me, s",
    day_first=False,
    present_ahead=False,
    ahead=r"\b(?:will(?: have \w+)?|(?:is|are|be)(?: not)? \w{2,}ed|turns|shall|won't|gonna|wanna|let's|going to|"
        r"want to|wants to|plan|plans|planning|hope|hopes|hoping|"
    r"need to|needs to|have to|has to|must|should|can|could|would (?:like|love)|remind(?: me)?|remember to|"
    r"don't forget|"
    r"make sure|be sure|book|schedule|submit|please|see you|call|bring|meet me|join us|come over|deadline|due|"
    r"upcoming|"
    r"(?:scheduled|planned|booked|expected|supposed|slated|meant|set|arranged)(?= (?:for|to|on|in|at)\b)|"
    r"(?:postponed|pushed(?: back)?|rescheduled|shifted|delayed|extended|brought forward)(?= (?:to|until|till)\b)|"
    # A meeting is moved to a day, a person to a place.
    r"moved(?= (?:to|until|till) (?:the |next |this |early |late |mid-?)?(?:\d|(?:"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|may|june|july|august|september|october|november|december|spring|summer|autumn|"
    r"fall|winter|tomorrow|tonight|week|month|year|end|morning|afternoon|evening)\b))|"
    r"looking forward|can't wait|excited (?:for|about|to)|ready for|(?:am|is|are|i'm|it's|we're|they're|he's|she's|"
    r"you're|not) (?:\w+ )?(?!been)\w{2,}ing|starts?|begins?|opens?|ends?|closes?|arrives?|leaves?|departs?|lands?|"
    r"expires?|takes place|lasts|runs|launches|launch|finish|finishes|returns?|fly|flies|moves?|am (?:off|free|away|"
    r"back)|"
    r"i'm (?:off|free|away|back)|get|gets|travel|travels|graduates?|(?:have|has|i've got|has got) "
    r"(?:an?|my|his|her|our|their|no|another|some|two|three)|are you|do you want|free|available|tickets? for|"
    r"(?:is|are|it's|that's)(?= (?:also |only |now )?(?:on |in |from |between |by |early |late |mid|this |next |"
    r"half |noon |"
    r"at (?:\d|half|noon|christmas|easter)|\d|(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?-i:Jan|Feb|Mar|Apr|May|"
    r"Jun|Jul|"
    r"Aug|Sep|Oct|Nov|Dec))))\b|\b\w+'ll(?: have \w+)?\b",
    back=r"\b(?:was|were|wasn't|weren't|did|didn't|had|went|got|saw|met|took|came|made|bought|ate|gave|told|said|"
        r"found|"
    r"left|felt|ran|sat|spent|slept|fell|lost|won|began|drove|flew|wrote|knew|thought|kept|held|heard|brought|taught|"
    r"caught|sold|paid|sent|built|broke|chose|drank|grew|hid|rode|rang|sang|spoke|stood|swam|threw|woke|wore|became|"
    r"forgot|hurt|quit|ago|born|since|been|done|gone|seen|happened|(?:have|has|had|i've|we've|they've|he's|she's) "
    r"(?!(?:\w+ )?(?:moved|postponed|pushed|rescheduled|shifted|delayed|extended|brought)(?: \w+)? (?:to|until|till)\b)"
    r"(?:\w+ )?(?:\w+ed|been|seen|had|gone|done|met|made)|(?!need|seed|feed|speed|indeed|exceed|proceed|succeed|"
    r"hundred|"
    r"wed\b|red\b|bed\b|shed\b|sacred|naked|tired\b|excited|worried|interested|embed)\w{2,}ed)\b",
    doubtful="may march mar sat sun mon wed jan fall spring",
)  # fmt: skip

GERMAN = Language(
    name="de",
    months=("januar jänner jan", "februar feb", "märz", "april", "mai", "juni", "juli", "august", "september",
            "oktober",
            "november", "dezember"),
    weekdays=("montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag sonnabend", "sonntag"),
    numbers=("null", "ein eine einem einer einen", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun",
             "zehn",
             "elf", "zwölf"),
    units={"day": "tag, tage, tagen", "week": "woche, wochen", "weekend": "wochenende, wochenenden", "month":
           "monat, monate, monaten, monats", "year": "jahr, jahre, jahren, jahres", "decade": "jahrzehnt"},
    which={-2: "vorletzte, vorletzten, vorletztes", 2: "übernächste, übernächsten, übernächstes",
           -1: "letzte, letzten, letzter, letztes, letztem, vorige, vorigen, voriges, vergangene, vergangenen",
           0: "diese, diesen, dieser, dieses, diesem",
           1: "nächste, nächsten, nächster, nächstes, nächstem, kommende, kommenden, kommendes"},
    named={0: "heute, heute abend, heute morgen, heute früh, heute nacht", -1: "gestern, gestern abend",
           1: "morgen, morgen früh, morgen abend", -2: "vorgestern", 2: "übermorgen"},
    seasons={"spring": "frühling, frühjahr", "summer": "sommer", "autumn": "herbst", "winter": "winter"},
    holidays={"christmas": "weihnachten", "christmas eve": "heiligabend, heiliger abend",
              "new year's eve": "silvester",
              "new year": "neujahr", "easter": "ostern, ostersonntag", "good friday": "karfreitag",
              "easter monday": "ostermontag", "whit sunday": "pfingsten"},
    parts={"start": "anfang, zu beginn des", "mid": "mitte", "end": "ende"},
    words={"on": "am, im, in, an, seit, bis, vom, ab, zu, um, nach, zum, über", "the": "der, die, das, den, dem, des",
           "goal": "auf, für",
           "of": "im, des, in, der", "and": "und, '-', –", "to": "bis, bis zum, '-', –", "from": "vom, von",
           "between": "zwischen", "before": "vor", "after": "nach", "ago": "her", "agofirst": "vor", "always": "seit",
           "born": "geboren",
           "in": "in",
           "few": "ein paar, einige, einigen", "recently": "neulich, kürzlich",
           "daypart": "morgen, abend, nachmittag, nacht, vormittag", "never": "jeden, jeder, jedes, jede"},
    common="ich, seit, und, der, die, das, ist, war, nicht, mit, wir, am, im, habe, hat, es, sie, er, zu, bin",
    ahead=r"\b(?:werde|wirst|wird|werden|will|wollen|möchte|soll|muss|müssen|geplant|bald|beginnt|startet|findet)\b",
    back=r"\b(?:seit|war|waren|wurde|wurden|hatte|hatten|ging|gingen|kam|kamen|fuhr|sah|traf|gab|fand|lag|flog|"
    r"blieb|zog|las|schrieb|(?:habe?n?|hat|haben|bin|ist|sind|seid)\b(?:[^.!?]|(?<=\d)\.)*\b(?:\w*ge\w{2,}(?:t|en)|(?:ver|be|er|ent|"
    r"zer)\w+(?:t|en)|"
    r"\w+iert)|\w{3,}te|\w{3,}ten)\b",
)  # fmt: skip

SPANISH = Language(
    name="es",
    months=("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre setiembre",
            "octubre",
            "noviembre", "diciembre"),
    weekdays=("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
    numbers=("cero", "un una uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "once",
             "doce"),
    units={"day": "día, días", "week": "semana, semanas", "weekend": "fin de semana, fines de semana", "month":
           "mes, meses", "year": "año, años", "decade": "década, décadas"},
    which={-1: "pasado, pasada, último, última", 0: "este, esta", 1: "próximo, próxima, que viene, siguiente"},
    named={0: "hoy, esta noche, esta mañana, esta tarde", -1: "ayer, anoche", 1: "mañana, pasado el día de mañana",
           -2: "anteayer, antes de ayer, antier", 2: "pasado mañana"},
    seasons={"spring": "primavera", "summer": "verano", "autumn": "otoño", "winter": "invierno"},
    holidays={"christmas": "navidad, navidades", "christmas eve": "nochebuena",
              "new year's eve": "nochevieja, fin de año",
              "new year": "año nuevo", "easter": "domingo de pascua", "good friday": "viernes santo"},
    parts={"start": "principios de, a principios de, comienzos de, inicios de", "mid": "mediados de, a mediados de",
           "end": "finales de, a finales de, fines de"},
    words={"on": "en, el, para, desde, hasta, a, los, antes de, después de, durante", "the": "el, la, los, las",
           "goal": "al, para",
           "genitive": "de, del", "born": "nací, nació", "always": "desde hace", "of": "de, del, en",
           "and": "y, e, '-', –",
           "to": "al, a, hasta, '-', –", "from": "del, desde, de",
           "between": "entre", "before": "antes de, antes del", "after": "después de, después del", "ago": "atrás",
           "agofirst": "hace", "in": "en, dentro de", "few": "unos, unas, algunos, algunas, pocos, pocas",
           "recently": "recientemente, últimamente", "daypart": "por la mañana, por la tarde, por la noche",
           "never": "cada, todos los, mañana del, los"},
    common="el, la, que, de, y, en, los, se, mi, es, con, por, para, un, una, fue, está",
    ahead=r"\b(?:voy a|vas a|va a|vamos a|van a|será|seré|\w+(?:aré|ará|aremos|arán|eré|erá|iré|irá|iremos|irán)|"
    r"tengo que|quiero|próximo)\b",
    back=r"\b(?:fui|fue|fuimos|fueron|era|eran|estuve|estuvo|estaba|estábamos|había|tuve|tuvo|tuvimos|hice|hizo|"
        r"hicimos|"
    r"vine|vino|vi|vio|vimos|dimos|di|dio|puse|supe|traje|dije|dijo|(?:he|has|ha|hemos|han) \w+(?:ado|ido|to|cho)|"
    r"\w{2,}(?:é|ó|í|imos|ieron|aron|aste|iste|aba|aban|ía|ían))(?<!aré)(?<!eré)(?<!iré)(?<!día)\b",
    which_after=True,
)  # fmt: skip

FRENCH = Language(
    name="fr",
    months=("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
            "novembre",
            "décembre"),
    weekdays=("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    numbers=("zéro", "un une", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze",
             "douze"),
    ordinals=("premier 1er",),
    units={"day": "jour, jours", "week": "semaine, semaines", "weekend": "week-end, weekend, week end",
           "month": "mois",
           "year": "an, ans, année, années", "decade": "décennie"},
    which={-1: "dernier, dernière, passé, passée", 0: "ce, cet, cette", 1: "prochain, prochaine"},
    named={0: "aujourd'hui, ce soir, ce matin, cet après-midi", -1: "hier, hier soir", 1: "demain", -2: "avant-hier",
           2: "après-demain"},
    seasons={"spring": "printemps", "summer": "été", "autumn": "automne", "winter": "hiver"},
    holidays={"christmas": "noël", "christmas eve": "réveillon de noël", "new year's eve": "saint-sylvestre",
              "new year": "jour de l'an", "easter": "pâques", "easter monday": "lundi de pâques"},
    parts={"start": "début", "mid": "mi, milieu", "end": "fin"},
    words={"on": "le, en, à, au, depuis, jusqu'au, pour, dès, du, avant, après, pendant, à partir du",
           "the": "le, la, l ', les",
           "goal": "au, à, pour",
           "genitive": "de", "born": "né, née", "always": "depuis", "of": "de, du, en, d ', de l '",
           "and": "et, '-', –",
           "to": "au, à, '-', –", "from": "du, de", "between": "entre",
           "before": "avant", "after": "après", "agofirst": "il y a", "in": "dans, d'ici", "few": "quelques",
           "recently": "récemment, dernièrement", "daypart": "matin, soir, après-midi",
           "never": "chaque, tous les, les"},
    common="on, se, ce, tu, vous, le, la, et, je, nous, est, les, des, une, un, pas, pour, que, j, mon, ma, il, "
        "elle, en, du",
    ahead=r"\b(?:vais|vas|va|allons|allez|vont|sera|serai|aura|aurai|\w{3,}(?:erai|era|erons|eront|irai|ira|irons)|"
        r"dois|veux)\b",
    back=r"\b(?:depuis|était|étais|étaient|avait|avais|fut|(?:ai|as|a|avons|avez|ont|suis|es|est|sommes|sont) "
    r"(?:\w+ )?(?!aujourd)\w+(?:é|ée|és|ées|i|is|it|u|us|ue|ert|ait))\b",
    which_after=True,
    doubtful="mars été mi",
)  # fmt: skip

PORTUGUESE = Language(
    name="pt",
    months=("janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro",
            "novembro",
            "dezembro"),
    weekdays=("segunda-feira segunda", "terça-feira terça", "quarta-feira quarta", "quinta-feira quinta",
              "sexta-feira sexta", "sábado", "domingo"),
    numbers=("zero", "um uma", "dois duas", "três", "quatro", "cinco", "seis", "sete", "oito", "nove", "dez", "onze",
             "doze"),
    units={"day": "dia, dias", "week": "semana, semanas", "weekend": "fim de semana, fins de semana",
           "month": "mês, meses",
           "year": "ano, anos", "decade": "década"},
    which={-1: "passado, passada, último, última", 0: "este, esta, neste, nesta",
           1: "próximo, próxima, que vem, seguinte"},
    named={0: "hoje, hoje à noite, esta noite, hoje de manhã", -1: "ontem, ontem à noite", 1: "amanhã",
           -2: "anteontem",
           2: "depois de amanhã"},
    seasons={"spring": "primavera", "summer": "verão", "autumn": "outono", "winter": "inverno"},
    holidays={"christmas": "natal", "christmas eve": "véspera de natal", "new year's eve": "réveillon", "new year":
              "ano novo", "easter": "páscoa", "good friday": "sexta-feira santa"},
    parts={"start": "início de, começo de, início do", "mid": "meados de",
           "end": "fim de, final de, fim do, final do"},
    words={"on": "em, no, na, a, para, desde, até, ao, o, antes de, depois de", "the": "o, a, os, as",
           "goal": "para", "born": "nasci, nasceu", "genitive": "de, do", "of": "de, do, da, em",
           "and": "e, '-', –", "to": "a, ao, até, '-', –", "from": "de, do, desde", "between": "entre",
           "before": "antes de, antes do", "after": "depois de, depois do", "ago": "atrás", "agofirst": "há, faz",
           "in": "em, daqui a, dentro de", "few": "alguns, algumas, uns, umas, poucos",
           "recently": "recentemente, ultimamente",
           "daypart": "de manhã, à tarde, à noite, de noite", "never": "cada, todo, toda, todos os, aos"},
    common="o, a, que, de, e, em, um, uma, não, eu, para, com, foi, meu, minha, na, no, ao",
    ahead=r"\b(?:vou|vai|vamos|vão|será|serei|quero|preciso|\w+(?:arei|ará|aremos|erei|erá|irei|irá|iremos))\b",
    back=r"\b(?:desde|fui|foi|fomos|foram|era|eram|estive|esteve|estava|tinha|tive|teve|fiz|fez|vim|veio|vi|viu|"
        r"dei|deu|pus|disse|"
    r"\w{2,}(?:ei|ou|iu|eu|ámos|amos|imos|aram|iram|eram|ava|avam|ia|"
    r"iam))(?<!rei)(?<!meu)(?<!seu)(?<!dia)(?<!vamos)\b",
    which_after=True,
    doubtful="segunda terça quarta quinta sexta",
)  # fmt: skip

_KANJI = ("〇", "一", "二 两", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二", "十三", "十四", "十五",
"十六", "十七", "十八",
          "十九", "二十", "二十一", "二十二", "二十三", "二十四", "二十五", "二十六", "二十七", "二十八", "二十九",
          "三十", "三十一")  # fmt: skip

_MONTHS = tuple(f"{number}月 0{number}月 {_KANJI[number]}月" for number in range(1, 13))
_DAYS = tuple(
    " ".join(f"{form}{mark}" for form in (str(number), f"0{number}", _KANJI[number].split()[0]) for mark in "日号號")
    for number in range(1, 32)
)

CHINESE = Language(
    name="zh",
    months=_MONTHS,
    days=_DAYS,
    weekdays=("周一 星期一 礼拜一 週一", "周二 星期二 礼拜二 週二", "周三 星期三 礼拜三 週三",
              "周四 星期四 礼拜四 週四", "周五 星期五 礼拜五 週五",
              "周六 星期六 礼拜六 週六", "周日 星期日 星期天 周天 礼拜天 週日"),
    numbers=_KANJI,
    units={"day": "天, 日", "week": "周, 星期, 礼拜, 个星期, 個星期, 个礼拜, 週", "weekend": "周末, 週末",
           "month": "月, 个月, 個月",
           "year": "年, 年度"},
    which={-1: "上, 上个, 上個", 0: "这, 这个, 本, 這, 這個", 1: "下, 下个, 下個"},
    named={0: "今天, 今晚, 今早, 今日", -1: "昨天, 昨晚, 昨日", 1: "明天, 明晚, 明早, 明日", -2: "前天",
           2: "后天, 後天"},
    periods={("year", -1): "去年", ("year", 0): "今年", ("year", 1): "明年", ("year", -2): "前年", ("year",
             2): "后年"},
    seasons={"spring": "春天", "summer": "夏天", "autumn": "秋天", "winter": "冬天"},
    holidays={"christmas": "圣诞节, 聖誕節", "new year": "元旦", "christmas eve": "平安夜", "halloween": "万圣节"},
    parts={"start": "初", "mid": "中旬", "end": "底"},
    words={"of": "的", "genitive": "的", "yearmark": "年", "ago": "前, 之前, 以前", "later": "后, 之后, 以后, 後",
           "to": "到, 至, '-', ～, ~", "and": "和", "few": "几, 幾",
           "recently": "最近", "never": "每, 每个", "daypart": "早上, 上午, 下午, 晚上"},
    common="的, 了, 我, 是, 在, 们, 这, 那, 她, 他, 你",
    ahead=r"会|將|将|要|打算|准备|计划|截止|开始|出发",
    back=r"了|过|過|曾|已经|的时候",
    dense=True,
    weekday_of_week=True,
)  # fmt: skip

JAPANESE = Language(
    name="ja",
    months=_MONTHS,
    days=_DAYS,
    weekdays=("月曜日 月曜", "火曜日 火曜", "水曜日 水曜", "木曜日 木曜", "金曜日 金曜", "土曜日 土曜", "日曜日 日曜"),
    numbers=_KANJI,
    units={"day": "日, 日間", "week": "週間, 週", "weekend": "週末", "month": "ヶ月, か月, カ月, ヵ月, 月",
           "year": "年, 年間"},
    which={-1: "前の", 0: "この", 1: "次の"},
    named={0: "今日, 今晩, 今夜, 今朝", -1: "昨日, 昨夜, きのう, ゆうべ", 1: "明日, あした, 明朝",
           -2: "一昨日, おととい", 2: "明後日, あさって"},
    periods={("year", -1): "去年, 昨年", ("year", 0): "今年", ("year", 1): "来年", ("year", -2): "一昨年, おととし",
             ("month", -1): "先月", ("month", 0): "今月", ("month", 1): "来月", ("week", -1): "先週", ("week",
             0): "今週",
             ("week", 1): "来週", ("week", 2): "再来週", ("month", 2): "再来月", ("week", -2): "先々週",
             ("weekend", 0): "今週末", ("weekend", -1): "先週末", ("weekend", 1): "来週末"},
    seasons={"spring": "春", "summer": "夏", "autumn": "秋", "winter": "冬"},
    holidays={"christmas": "クリスマス", "christmas eve": "クリスマスイブ", "new year's eve": "大晦日",
              "new year": "元旦, 元日"},
    parts={"start": "初旬, 上旬", "mid": "中旬", "end": "下旬, 末"},
    words={"of": "の", "genitive": "の", "yearmark": "年", "ago": "前, まえ", "later": "後, 後に",
           "to": "から, '-', ～, 〜", "and": "と", "few": "数",
           "recently": "最近", "never": "毎, 毎週", "daypart": "朝, 夜, 午前, 午後, 夕方"},
    common="の, は, が, を, に, です, ます, した, て, で",
    ahead=r"予定|つもり|ます|でしょう|する(?!と)|始まる|行く|締め?切",
    back=r"ました|だった|でした|った|[いきしちにりえけせてれべ]た(?!い)|んだ",
    dense=True,
    weekday_of_week=True,
)  # fmt: skip

LANGUAGES = (ENGLISH, GERMAN, SPANISH, FRENCH, PORTUGUESE, CHINESE, JAPANESE)
