"""Which language a text is in, told by its function words, and which of its words are only those.

Function words are a closed class: a few dozen of them make up about half of any text, so that even a short question
has one or two. Where they do not decide, the text counts as English; nothing is lost then but what the language's own
stemmer would have joined.
"""

from __future__ import annotations

import collections
import functools
import re
from collections.abc import Iterable

import Stemmer

# What carries no topic in English: in a small namespace the idf of these words would still be positive.
ENGLISH = frozenset(
    """a about after all also am an and any are as at be because been before being but by can could did do does doing
    for from had has have having he her here hers him his how i if in into is it its just me more most my no nor not of
    on or our out over s same she should so some such t than that the their them then there these they this those to too
    up us very was we were what when where which while who whom why will with would you your d ll m re ve""".split()
)

# The name of the Snowball stemmer -> function words. Where two languages draw, the first one here is taken.
_FUNCTION = {
    "spanish": """a al algo aunque año años como con cual cuando cuál cuáles cuándo cuántas cuánto cuántos cómo de
        del desde donde dos dónde e el ella ellos en entre era eres es esa ese eso esta estaba estas este esto estos
        estoy está están fue fui ha han has hasta hay he la las le les lo los me mi mis mucho muy más mí nada ni no
        nos nuestra nuestro o os para pero por porque que quien quién quiénes qué se ser si sin sobre solo son soy
        su sus sí sólo también te tengo tiene tienes todo todos tu tus tú un una unas uno unos usted y ya yo él""",
    "french": """a ai as au aussi aux avec avez avons c ce ces cet cette chez comme comment d dans de depuis des
        donc dont du déjà elle elles en est et eux il ils j je l la le les leur leurs lui ma mais me mes mon même n
        ne nos notre nous on ont ou où par pas plus pour pourquoi qu quand que quel quelle quelles quels qui quoi s
        sa sans se ses si son sont suis sur ta te tes toi ton tu un une vos votre vous y à ça était êtes être""",
    "german": """aber alle als also am an auch auf aus bei beim bin bis da das dass dein deine dem den der des die
        dies diese dieser dir doch du durch ein eine einem einen einer eines er es euch für gegen hab habe haben hat
        hatte hatten hier ich ihm ihn ihr ihre ihrem ihren ihrer im in ins ist ja jetzt kann kein keine können mein
        meine meinem meinen meiner mich mir mit nach nicht noch nur ob oder ohne schon sehr sein seine seinem seinen
        seiner seit sich sie sind so um und uns unser unsere vom von vor wann war waren warum was welche welchem
        welchen welcher welches wem wen wer wie wir wird wo woher wohin während zu zum zur über""",
    "italian": """a abbiamo ad ai al alla alle anche avere che chi ché ci come con cosa cui da dal dalla degli dei
        del della delle di dove e ed era essere fa gli ha hai hanno ho i il in io la le lei lo loro lui lì ma mi mia
        mie miei mio molto ne nei nel nella no noi non nostro o per perché più quale quali quando quanti quanto
        quella quello questa questo qui se sei si siamo sono sta sto su sua sue sul sulla suo suoi tu tua tuo tutti
        tutto un una uno vi voi è""",
    "portuguese": """a ao aos aquela aquele as com como da das de dela dele depois do dos e ela eles em era essa
        esse esta estava este estou está estão eu foi fui ha isso isto já lhe lá mais mas me meu meus minha minhas
        muito na nas nem no nos nossa nosso num numa não o onde os ou para pela pelo por porque quais qual quando
        quantos que quem se sem ser seu seus sou sua suas são só também te tem tenho ter teu tu tua um uma você
        vocês à às é""",
    "dutch": """aan al als bij daar dan dat de deze die dit doen door dus een en er ga geen geweest haar had heb
        hebben heeft hem het hier hij hoe hoeveel hun ik in is ja je jij jouw jullie kan maar me mee meer met mij
        mijn na naar niet nog nu of om omdat onder ons onze ook op over te toen tot u uit uw van veel voor waar
        waarom wanneer was wat we welk welke werd wie wij wil worden ze zich zij zijn zo zou""",
    "polish": """a albo ale bardzo bez bo by być był była było co czemu czy czyj dla dlaczego do dokąd gdy gdzie go
        i ich ile im ja jak jaka jaki jakie jakiego jakim jako jaką jego jej jest jestem jesteś jeszcze już kiedy
        kim kto która które którego której który którym którą ku ma mam masz mi mnie mną mogę moim moja moje mojego
        mojej moją mu my mój na nad nam nas nasz nic nie nim o od on ona one oni ono po pod ponieważ przed przez
        przy się sobie swoim swoja swoje swojego swoją swój są ta tak takze tam te tego tej ten to tu twoja twój ty
        tylko tym u w we więc wy z za ze że""",
    "turkish": """acaba ama ancak artık bana bazı ben beni benim bir biri biz bize bizim bu buna bunu da daha de
        diye en gibi hangi hem hep hiç ile ise için kac kadar ki kim kime kimin mi mu mü mı nasıl ne neden nerede
        nereli nereye o olan olarak oldu ona onlar onu onun sana sen senin siz sizin su var ve veya ya yok zaman çok
        çünkü""",
    "swedish": """alla att av bara blev de dem den denna det detta dig din ditt du där efter ej eller en er ett for
        från hade han hans har henne hennes hon hur här i icke in ingen inte ja jag kan man med mellan men mig min
        mina mitt mot mycket ni nu när någon något och om oss på sedan sig sin sina sitt ska som till under upp ut
        vad var vara varfor varit vem vi vilka vilken vilket är år över""",
    "danish": """af alle at blev da de dem den denne der deres det dig din dit dog du efter eller en er et for fra
        han hans har havde hende hendes hun hvad hvem hvilken hvilket hvor hvordan hvorfor hvornar i ikke jeg jer
        kan man med meget men mig min mine mit mod ned noget nogle nu når og også om op os over på sig sin sit skal
        som så til ud under var vi vil ville vor""",
    "norwegian": """alle at av ble da de deg dem den denne der deres det dette din ditt du eller en er et etter for
        fra ha hadde han hans har henne hennes hun hva hvem hvilken hvilket hvor hvordan hvorfor i ikke jeg kan man
        med meg men min mine mitt mot mye na noe noen når og også om opp oss over på seg sin sitt skal som så til
        under ut var vi vil være""",
    "finnish": """ei eikä en enkä etta hän hänen häntä ja jo joka jos kanssa koska kuin kuinka kuka kun me meidän
        mihin miksi mikä mikään millainen milloin mina minkä minulla minun minut minä missä mitä mutta myös ne niin
        nyt näin olen oli olla ollut on ovat se sen sinun sinä sitten sitä tai tuo tämä tätä vain voi""",
    "hungarian": """a az azt be csak de egy el es ez ezt fel hogy hogyan hol honnan hova hány igen is itt ki kinek
        kit le maga meg mely melyik mert mi mikor mint mit miért most már még míg nagyon nekem neki nem nálam ot ott
        sem te tegnap vagy vagyok van volt voltam én és így ő ők""",
    "romanian": """a aceasta această acest ai al ale am ar are as asta au avea ca care ce cei cel cine cu cum când
        cât că da de din după ea ei el era este eu fi fiind fost iar ii la lui ma mai mea mei meu noastră nostru nu
        o pe pentru prin sa sale sau se sunt sunteți să te tu un unde unei unui va vor vă îmi în într între își ăsta
        și""",
    "czech": """a aby ale ani az bez bude by byl byla bylo být ci co do ho i jak jako jaká jaké jaký je jeho jej
        její jen jestli ještě ji jsem jsi jsme jsou já k kam kde kdo kdy kolik kterou která které který ma mi mne
        mně moje my mám mě můj na nad nam ne nebo nás o od on ona oni pod podle pred pro protože proč při s se si
        sve svůj ta tak také ten to tu ty u už v ve vy z za ze že""",
    "indonesian": """ada adalah akan aku anda apa atau bagaimana bahwa banyak belum berapa bisa dalam dan dapat dari
        dengan di dia hanya ini itu jadi juga kalau kami kamu kapan karena ke kepada kita lagi mana mengapa mereka
        oleh pada punya saat saya sebagai sedang sekarang seorang siapa sudah telah tetapi tidak untuk yang""",
    "russian": """а без был была были было быть в вам вас вот все где да для до его ее её если есть еще ещё же за и
        из или им их к как какая какие какой какую когда который кого кто куда ли меня мне мой моя мои моего моей мы
        на над нас не него нее неё нет но о об он она они от по под при с сколько со так там тебя то того тоже
        только ты у уже чем что чей чтобы это этот эта эти я""",
    "arabic": """أن أنا أو أي أين إلى إن التي الذي الى ان انا او اي اين ثم على عن عند في فيه قد كان كانت كم كيف لا
        لم لماذا لن له لها لي ليس ما ماذا متى مع من منذ هذا هذه هل هو هي و ولا وهو وهي يا""",
    "persian": """آن از است این او با باید بر برای بود به تا تو چرا چطور چند چه خود در را شد شده شما ما من می نمی نه
        ها های هم هر هست و ولی که کجا کدام کرد کی کیست چیست یا یک""",
    "hindi": """और इस उस उसका उसकी उसके एक कब कहाँ कहां का कि किस किसका की के को कौन क्या क्यों जो तक तो था थी थे ने
        नहीं पर भी मुझे में मेरा मेरी मेरे मैं यह ये वह वे से है हैं हूँ हूं हो हम ही कितने कितना कितनी कैसे""",
}

# Letters that tell a language by themselves, as far as case folding leaves them.
_LETTERS = {
    "spanish": "ñ¿¡áíóú",
    "french": "èêëçœàûî",
    "german": "äöü",
    "italian": "òìù",
    "portuguese": "ãõ",
    "polish": "łąęśżźćń",
    "turkish": "ışğ",
    "swedish": "å",
    "danish": "æø",
    "hungarian": "őű",
    "romanian": "ăâțţ",
    "czech": "řěů",
    "persian": "پچژگکی",
}

# Function words elsewhere that stand in English text too, as words or in names. These and what is shorter than
# three letters are counted, but do not decide alone: the former never, the latter with another word.
_ALSO_ENGLISH = frozenset(
    """ale alla alle ani aux ben bin biz care cat chi com come comment con dan das del den der des die dig dim
    din dit dog door dos een era est fur hai han hans hat hay hem hen hum hun ins jag jen jos kan kim kit las
    lei les los lui maga mai man mar mas med mee meg mei men met mia min mina mine mint mir mis mit mod mon
    mot nad nam ned nei nem nic nim non one par pas per plus pod pour pro qui sale san sans sei sem sen ser
    set sie sin sit solo som son sou soy sue sul sur tai take tak tam tem ten til till toi ton tot tua una und
    under uno upp van vid vil von vor war wen wer will yok""".split()
)

_LISTS = {name: frozenset(text.split()) for name, text in _FUNCTION.items()}
_LANGUAGES_OF = {
    word: tuple(name for name, held in _LISTS.items() if word in held) for word in frozenset().union(*_LISTS.values())
}
_ENGLISH_ONLY = ENGLISH - _LANGUAGES_OF.keys()
_FOREIGN = frozenset(word for word in _LANGUAGES_OF if len(word) > 1 or not word.isascii()) - ENGLISH
_TELLING = frozenset(word for word in _FOREIGN if len(word) > 2 or not word.isascii()) - _ALSO_ENGLISH
_TELLING_LETTER = re.compile(f"[{''.join(_LETTERS.values())}]")
_LETTER_TELLS = {letter: name for name, letters in _LETTERS.items() for letter in letters}


def tell(words: Iterable[str], text: str) -> str | None:
    """The Snowball name of the language that most of the words (case folded) belong to, as often as they say so.

    None for English and where it is not to be told. `text` is what the words stand in: its letters may tell too.
    """
    letters = [] if text.isascii() else [_LETTER_TELLS[letter] for letter in set(_TELLING_LETTER.findall(text))]
    distinct = frozenset(words)
    foreign = distinct & _FOREIGN
    told = bool(letters) or not _TELLING.isdisjoint(foreign)
    english = distinct & ENGLISH
    if not told and foreign <= _ALSO_ENGLISH:
        return None
    # No language can have more than the foreign words and letters beside what it shares with English.
    if len(foreign) + len(letters) <= max(len(english & _ENGLISH_ONLY), not told):
        return None
    votes = collections.Counter(letters)
    for word in foreign | english:
        votes.update(_LANGUAGES_OF.get(word, ()))
    best = max(_LISTS, key=votes.__getitem__)
    return best if votes[best] > len(english) + (not told) else None


def stop_words(language: str | None) -> frozenset[str]:
    """The function words of the language; of English where it is None."""
    return ENGLISH if language is None else _LISTS[language]


@functools.cache
def stemmer(language: str) -> Stemmer.Stemmer:
    """The Snowball stemmer of this name, which remembers the words it saw last."""
    return Stemmer.Stemmer(language, 65_536 if language == "english" else 16_384)
