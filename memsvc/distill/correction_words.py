"""The words by which a language takes back what was said: closed tables, one `Marks` a language."""

from __future__ import annotations

from dataclasses import dataclass

from memsvc.distill.dates import tables
from memsvc.distill.dates.tables import Language

# Shorter names of months and days are other words too, but for this one.
_LEAST_LETTERS = 4
_SHORT = "mai"


# Compared and hashed as the things they are: what is made of one is kept.
@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """What one language has for a correction; the expressions are alternatives of lower-cased text.

    `sure` says that something said was wrong; `doubtful` is as often an excuse, or answers somebody. `without` stands
    before what is taken back ("not Monday"), `behind` behind it, `but` between that and the new value, `clock` before
    an hour. `little` are words that may stand beside the new value. `days`, `months` and `numbers` (from two on, the
    forms of one apart by spaces) are values, `capitals` months that are other words in small letters; `dense` is
    written without spaces.
    """

    sure: str
    doubtful: str
    without: str
    but: str
    clock: str
    little: frozenset[str]
    days: tuple[str, ...]
    months: tuple[str, ...]
    numbers: tuple[str, ...]
    dense: bool = False
    behind: str = ""
    capitals: tuple[str, ...] = ()


def _marks(
    table: Language, *, sure: str, doubtful: str, without: str, but: str, clock: str, little: str, behind: str = ""
) -> Marks:
    """The values are those that the reader of dates knows."""
    named = [word.strip() for forms in table.named.values() for word in forms.split(",")]
    days = [word for forms in table.weekdays for word in forms.split()]
    months = [word for forms in table.months for word in forms.split() if not word[0].isdigit()]
    unclear = frozenset(table.doubtful.split())
    capitals = [forms.split()[0].capitalize() for forms in table.months if forms.split()[0] in unclear]
    return Marks(
        sure, doubtful, without, but, clock, frozenset(little.split()),
        tuple(word for word in [*days, *named] if _is_clear(word, table, unclear)),
        tuple(word for word in months if _is_clear(word, table, unclear)),
        table.numbers[2:], table.dense, behind, tuple(capitals),
    )  # fmt: skip


def _is_clear(word: str, table: Language, unclear: frozenset[str]) -> bool:
    return word not in unclear and (table.dense or len(word) >= _LEAST_LETTERS or word == _SHORT)


ENGLISH = _marks(
    tables.ENGLISH,
    sure=r"(?:i )?(?:actually )?(?:meant|mean) to say|i (?:actually |really )?(?:meant|mean)|correction|"
    r"make that|no,? wait|wait,? no|no,? sorry|sorry,? no|scratch that|(?:i )?misspoke|my mistake|my bad|"
    r"i got that wrong|i was wrong|that was wrong|that's wrong|or rather|typo|i said it wrong",
    doubtful=r"sorry|oops|ups|whoops|no|nope|apologies|excuse me|pardon|actually|rather|make it",
    without=r"(?:and |it's |it is )?not|instead of|rather than",
    but=r"but|,|it's|rather",
    clock=r"at|by|from|until|till|around",
    little="it's it is that's that the a an on at in by to for from of be it'll will should was were i'm i am we're my "
    "our this please instead o'clock am pm",
)
GERMAN = _marks(
    tables.GERMAN,
    sure=r"ich (?:meine|meinte)(?: natürlich)?|(?:ich )?(?:meine|meinte)|korrektur|berichtigung|nein,? (?:doch|halt|"
    r"warte|moment)|(?:halt|warte),? nein|doch nicht|vielmehr|besser gesagt|tippfehler|ich habe mich "
    r"(?:vertan|geirrt|versprochen|verschrieben)|ich hab mich (?:vertan|geirrt|versprochen|verschrieben)|mein fehler|"
    r"nein,? (?:entschuldigung|sorry)|(?:entschuldigung|sorry),? nein|mach(?:e|en sie)? daraus",
    doubtful=r"entschuldigung|entschuldige|sorry|verzeihung|pardon|tut mir leid|nein|nee|ups",
    without=r"(?:und )?nicht|statt|anstatt",
    but=r"sondern|,",
    clock=r"um|gegen|ab|bis",
    little="es ist sind das der die dem den am im um in an auf zu nach für von bis uhr natürlich erst bitte ein eine",
)
SPANISH = _marks(
    tables.SPANISH,
    sure=r"quise decir|quería decir|quiero decir|corrección|corrijo|no,? espera|espera,? no|mejor dicho|o más bien|"
    r"más bien|me equivoqué|me he equivocado|error mío|perdón,? no|no,? perdón|rectifico|digo",
    doubtful=r"perdón|perdona|perdone|lo siento|disculpa|disculpe|no|ups|en realidad",
    without=r"(?:y )?no|en vez de|en lugar de",
    but=r"sino|,",
    clock=r"a las?|sobre las?|hasta las?",
    little="es son era el la los las un una en a al de del para que será",
)
FRENCH = _marks(
    tables.FRENCH,
    sure=r"je (?:voulais|veux) dire|correction|je corrige|non,? attends|non,? attendez|attends,? non|ou plutôt|"
    r"je me suis trompée?|erreur de ma part|pardon,? non|non,? pardon|mettons plutôt|au temps pour moi",
    doubtful=r"pardon|désolée?|excuse-moi|excusez-moi|navrée?|non|oups|plutôt|en fait",
    without=r"(?:et )?(?:non )?pas|au lieu de",
    but=r"mais|,",
    clock=r"à|vers|dès",
    little="c'est c est ce sera le la les l' l un une à a au en de du des d pour h heures",
)
PORTUGUESE = _marks(
    tables.PORTUGUESE,
    sure=r"(?:eu )?(?:quis|queria|quero) dizer|correção|corrigindo|não,? espera|espera,? não|ou melhor|melhor dizendo|"
    r"aliás|(?:eu )?me enganei|enganei-me|erro meu|desculpa,? não|não,? desculpa|digo",
    doubtful=r"desculpe?|desculpa|perdão|não|ops|na verdade",
    without=r"(?:e )?não|em vez de",
    but=r"mas|,",
    clock=r"às|à|as|pelas",
    little="é são será o a os as um uma em no na ao de do da para às à que",
)
CHINESE = _marks(
    tables.CHINESE,
    sure=r"我(?:是)?说错了|说错了|我(?:的意思)?是说|我是指|更正一?下?|纠正一?下?|不对|不,?等等|等等,?不|口误|打错了",
    doubtful=r"对不起|不好意思|抱歉|不,|不是,|应该是|其实是|改成|改为",
    without=r"(?:而)?不是",
    but=r"[,、]?(?:而)?是",
    clock=r"(?!)",
    little="是 在 的 点 點 號 号 分 才 了 应该 应 该 到",
)
JAPANESE = _marks(
    tables.JAPANESE,
    sure=r"訂正(?:します|です)?|間違え(?:ました|た)|間違い(?:でした|です|ました)?|いや,?違う|いや,?違います|違いました|違います|"
    r"というか|正しくは|言い間違え(?:ました|た)",
    doubtful=r"すみません|すいません|ごめん(?:なさい|ね)?|失礼(?:しました)?|いや|いえ|申し訳(?:ありません|ございません)",
    without=r"(?!)",
    but=r"(?!)",
    behind=r"(?:じゃ|では)なく(?:て)?",
    clock=r"(?!)",
    little="です でした だ の は に で が を 時 分 ね よ 日",
)
ITALIAN = Marks(
    sure=r"(?:volevo|intendevo|voglio) dire|intendevo|correzione|correggo|no,? aspetta|aspetta,? no|anzi|o meglio|"
    r"mi sono sbagliat[oa]|mi sbagliavo|errore mio|scusa,? no|no,? scusa",
    doubtful=r"scusa|scusate|scusi|mi dispiace|pardon|no|ops|piuttosto|in realtà|facciamo",
    without=r"(?:e )?non|invece di",
    but=r"ma|bensì|,",
    clock=r"alle|all'|verso le|dalle",
    little=frozenset("è e' sono era sarà il lo la le i gli l un uno una a alle di del da per in al".split()),
    days=("lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica", "domani", "dopodomani"),
    months=("gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre",
            "novembre", "dicembre"),
    numbers=("due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove", "dieci", "undici", "dodici"),
)  # fmt: skip
DUTCH = Marks(
    sure=r"ik (?:bedoelde|bedoel)|correctie|nee,? wacht|wacht,? nee|of liever|liever gezegd|beter gezegd|"
    r"ik (?:heb me vergist|vergiste me)|mijn fout|foutje|(?:sorry|pardon),? nee|nee,? sorry|"
    r"maak daar(?: maar)?(?: van)?",
    doubtful=r"sorry|pardon|excuses|neem me niet kwalijk|nee|oeps|eigenlijk",
    without=r"(?:en )?niet|in plaats van",
    but=r"maar|,",
    clock=r"om|rond|vanaf|tot",
    little=frozenset("het is zijn was dat de een op om in te naar voor van aan uur".split()),
    days=("maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag", "morgen", "overmorgen"),
    months=("januari", "februari", "maart", "april", "juni", "juli", "augustus", "september", "oktober", "november",
            "december"),
    numbers=("twee", "drie", "vier", "vijf", "zes", "zeven", "acht", "negen", "tien", "elf", "twaalf"),
)  # fmt: skip
RUSSIAN = Marks(
    sure=r"(?:я )?(?:имел|имела) в виду|(?:я )?хотела? сказать|поправка|исправлюсь|нет,? подожди(?:те)?|"
    r"подожди(?:те)?,? нет|точнее|вернее|(?:я )?(?:ошибся|ошиблась|оговорился|оговорилась)|моя ошибка|"
    r"(?:извини(?:те)?|прости(?:те)?),? нет|нет,? (?:извини(?:те)?|прости(?:те)?)|опечатка",
    doubtful=r"извини(?:те)?|прости(?:те)?|нет|ой|на самом деле",
    without=r"(?:а )?не|вместо",
    but=r"а|,",
    clock=r"в|около|с|до",
    little=frozenset("это в во на к ко с до для по часов часа час будет".split()),
    days=("понедельник", "вторник", "среда", "среду", "четверг", "пятница", "пятницу", "суббота", "субботу",
          "воскресенье", "завтра", "послезавтра"),
    months=("января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября",
            "ноября", "декабря"),
    numbers=("два", "две", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять", "десять"),
)  # fmt: skip

ALL = (ENGLISH, GERMAN, SPANISH, FRENCH, ITALIAN, PORTUGUESE, DUTCH, RUSSIAN, CHINESE, JAPANESE)
