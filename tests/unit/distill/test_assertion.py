from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.distill import assertion
from memsvc.domain.message import Role
from memsvc.domain.timespan import Granularity, TimeSpan
from memsvc.domain.unit import Assertion

SAID_AT = dt.datetime(2025, 3, 12, 10, 0, tzinfo=dt.UTC)  # a Wednesday


def day(year: int, month: int, number: int) -> dt.datetime:
    return dt.datetime(year, month, number, tzinfo=dt.UTC)


def span(phrase: str, start: dt.datetime, end: dt.datetime, granularity: Granularity = Granularity.DAY) -> TimeSpan:
    return TimeSpan(start, end, granularity, phrase)


def judged(text: str, *times: TimeSpan, role: Role = Role.USER, is_peer_talk: bool = False) -> assertion.Judgement:
    return assertion.judge(text, role=role, is_peer_talk=is_peer_talk, times=times, said_at=SAID_AT)


@pytest.mark.parametrize(
    "text",
    [
        "I live in Madrid.",
        "I moved to Linux last month",
        "When I moved to Lyon, I knew nobody.",
        "I'm vegetarian, if that matters",
        "If you need me, call my office 555",
        "If you're wondering, I live in Oslo.",
        "If I remember correctly, I moved in 2015.",
        "If I eat nuts, I get a rash.",
        "If I was rude, I'm sorry.",
        "I'd like a window seat.",
        "I'd love to see Japan.",
        "I would prefer tea over coffee.",
        "I'd rather stay home.",
        "We would go to the lake every summer.",
        "As a child I would swim every day.",
        "I'll never forget my trip to Rome",
        "I will always love my dog.",
        "It will be 3 years in May since I moved",
        "I said yes",
        "I told Petra that I moved to Zagreb.",
        "I said to my boss that I quit.",
        "As I said, I live in Rome.",
        "Petra told me about her trip.",
        "My mother told me a story.",
        "My boss said yes.",
        "Mom says hi.",
        "She told me the truth.",
        "That says it all.",
        "I heard a noise last night.",
        "I read that book twice.",
        "I was told off at school.",
        "I used to smoke.",
        "I've lived in Rome for three years.",
        "I have been vegan for a year.",
        "I work until 6pm every day.",
        "The shop is open until 8.",
        "I didn't move until 2019.",
        "That's all for now.",
        "I currently live in Lisbon.",
        "These days I'm working from home.",
        "I go to Spain for two weeks every summer.",
        "My warranty is valid until 2030.",
        "Always answer in French.",
        "Please always answer in French.",
        "From now on use metric units.",
        "don't call me Annie",
        "Call me Annie.",
        "Never use emojis.",
        "Please don't use tabs.",
        "Please remember that I'm allergic to nuts.",
        "Remember that I'm allergic to nuts.",
        "Keep in mind that I have two kids.",
        "No dairy please.",
        "I'm pregnant.",
        "I hate cilantro.",
        "In the book club I met Ana.",
        "In the story I read last week the dog dies.",
        "In the movie theater we saw Dune.",
        "In my dream job I work outside.",
        "I've always dreamed of living in Paris.",
        "I wish you a happy birthday.",
        "I suppose I'm a vegetarian.",
        "I can't imagine living without my dog.",
        "Imagine my surprise when he proposed.",
        "Will is my brother.",
        "My will is with the notary.",
        "My friend Will lives in Rome.",
        "I'm going to school in Boston.",
        "I'm going to the gym every Tuesday.",
        "I want to move to Lyon.",
        "Trust me, I live in Rome.",
        "Wait, I moved to Lyon.",
        "Show starts at 8.",
        "Plan B is ready.",
        "Love my new job!",
        "Read 20 books last year.",
        "J'ai dit que j'étais végétarien.",
        "I moved to Munich because my company said it was cheaper.",
        "Can't believe I live here.",
        "如果你需要我，打我的电话555。",
        "Si me necesitas, mi número es 555.",
        "List price is 30 euros.",
        "Book club meets on Tuesdays.",
        "What is important to me is honesty.",
        "What I like is jazz.",
        "When he is tired he sings.",
        "Was the best day ever.",
        "Have the kids with me.",
        "It feels as if I lived in a zoo.",
        "I don't know if you remember, but I moved to Lyon.",
        "Niagara Falls is near my house.",
        "He falls asleep early.",
        "The password will do.",
        "I decided to become vegan.",
        "I could swim when I was four.",
        "My son won't eat fish.",
        "I'm staying home.",
        "No, I live in Rome now.",
        "I may be wrong, but I think it's in Rome.",
        "She said it loudly.",
        "I believe in God.",
        "I think I'm allergic to nuts.",
        # other languages
        "Ich wohne in Berlin.",
        "Ich sagte, dass ich in Berlin wohne.",
        "Ich würde gerne in Berlin wohnen.",
        "Ich will Arzt werden.",
        "Ich bin 30 geworden.",
        "Wenn ich Nüsse esse, bekomme ich Ausschlag.",
        "Merk dir, dass ich Veganer bin.",
        "Antworte immer auf Deutsch.",
        "Falls du fragst: ich wohne in Berlin.",
        "Vivo en Madrid desde hace dos años.",
        "Me gustaría vivir en París.",
        "Si no me equivoco, vivo en el número 5.",
        "Recuerda que soy alérgico a las nueces.",
        "Hasta mi madre lo sabe.",
        "He vivido en Chile durante un año.",
        "Ayer miré una película.",
        "J'habite à Paris et je travaille comme infirmière.",
        "J'aimerais un thé.",
        "Si je me souviens bien, c'était en mai.",
        "Je vais à l'école de danse.",
        "Je l'ai dit à Marie.",
        "Eu moro em Lisboa.",
        "Gostaria de um café.",
        "Abito a Roma, però sono di Napoli.",
        "Vorrei un tavolo vicino alla finestra.",
        "Ik woon in Utrecht.",
        "Als kind was ik bang voor honden.",
        "Ik zou graag thee willen.",
        "Я живу в Москве.",
        "Я хотел бы чаю.",
        "Я сказал, что живу в Москве.",
        "Я работаю до вечера.",
        "我住在上海。",
        "我会说中文。",
        "他说中文。",
        "我喜欢看小说。",
        "请记住我对花生过敏。",
        "请不要用表情符号。",
        "私は東京に住んでいます。",
        "ナッツにアレルギーがあります。",
        "名前は花子と言います。",
        "もしよければ、私は東京に住んでいます。",
        # languages without a table
        "Jag bor i Stockholm.",
        "Mieszkam w Krakowie.",
        "ฉันอาศัยอยู่ที่กรุงเทพ",
        "أعيش في القاهرة",
        "Я живу в Києві.",
    ],
)
def test_what_is_held_true_is_asserted(text: str) -> None:
    assert judged(text).assertion is Assertion.ASSERTED


@pytest.mark.parametrize(
    "text",
    [
        "What is my dog called?",
        "what is my dog called",
        "where do I live",
        "do you know if I have a dog",
        "Do you remember me",
        "How old is my brother",
        "Which city do I live in",
        "I wonder whether my dog is ill.",
        "If I moved to Lyon, where should I live?",
        "Are you sure?!",
        "You moved? 😊",
        "Really? :)",
        "Is it true (really?)",
        "Can you believe I moved to Lyon?",
        "¿Dónde vivo?",
        "¿Dónde vivo",
        "Wo wohne ich?",
        "Où est-ce que j'habite ?",
        "你住在哪里？",
        "你喜欢茶吗",
        "请问图书馆在哪里",
        "東京に住んでいますか。",
        "أين أعيش؟",
        "Πού μένω;",
        "Որտե՞ղ եմ ապրում",
        "Где я живу?",
    ],
)
def test_what_asks_is_a_question(text: str) -> None:
    assert judged(text).assertion is Assertion.QUESTION


@pytest.mark.parametrize(
    "text",
    [
        "Translate: I live in Tokyo",
        "Translate 'I live in Tokyo' into Spanish.",
        "Please summarize this article.",
        "Remind me to call Ana tomorrow.",
        "Help me with my taxes.",
        "I want you to write a poem.",
        "I'd like you to check my essay.",
        "Can you explain monads?",
        "Could you please book a table for two",
        "Hey, can you remind me to buy milk?",
        "Would you mind checking this?",
        "I was wondering if you could help me.",
        "Write a story in which I live on Mars.",
        "Rewrite: 'I moved to Zagreb'.",
        "Give me a recipe for lasagne.",
        "Tell my mother I love her",
        "Say hi",
        "Tell me a joke.",
        "Call me tomorrow.",
        "Show me how it works.",
        "Ok, now list the files.",
        "Let me know what you think.",
        "Forget what I said about Rome.",
        "Don't forget to buy milk.",
        "Check whether the door is locked.",
        "Add milk to my shopping list.",
        "Act as a travel agent.",
        "It would be great if you could check the logs.",
        "Bitte hilf mir beim Umzug.",
        "Kannst du mir helfen?",
        "Übersetze: I live in Tokyo",
        "Erklär mir die Regeln.",
        "Por favor, escribe una carta.",
        "Dime un chiste.",
        "¿Puedes ayudarme con esto?",
        "Traduce: vivo en Madrid",
        "S'il te plaît, écris une lettre.",
        "Aide-moi à écrire une lettre.",
        "Peux-tu m'aider ?",
        "Por favor, escreva uma carta.",
        "Você pode me ajudar?",
        "Per favore, scrivi una lettera.",
        "Dimmi una barzelletta.",
        "Alsjeblieft, help me met de verhuizing.",
        "Kun je me helpen?",
        "Vertaal: ik woon in Utrecht",
        "Пожалуйста, напиши письмо.",
        "Помоги мне с переездом.",
        "Переведи: я живу в Москве",
        "请帮我写一封信。",
        "你能帮我吗？",
        "翻译：我住在东京",
        "手紙を書いてください。",
        "教えてください",
        "手伝ってくれませんか？",
    ],
)
def test_what_wants_something_done_once_is_a_request(text: str) -> None:
    assert judged(text).assertion is Assertion.REQUEST


@pytest.mark.parametrize(
    "text", ["Please bring the cake.", "Petra, please bring the cake", "Remind me to call Ana.", "Let's meet at five."]
)
def test_between_people_a_request_is_still_one(text: str) -> None:
    assert judged(text, is_peer_talk=True).assertion is Assertion.REQUEST


def test_between_people_a_request_in_question_form_is_a_question() -> None:
    assert judged("Can you bring the cake?", is_peer_talk=True).assertion is Assertion.QUESTION


@pytest.mark.parametrize("role", [Role.ASSISTANT, Role.TOOL])
@pytest.mark.parametrize("text", ["Please restart the server.", "Add the flag to the file.", "Explain the error."])
def test_what_an_assistant_or_a_tool_writes_is_no_request(text: str, role: Role) -> None:
    assert judged(text, role=role).assertion is Assertion.ASSERTED


@pytest.mark.parametrize(
    "text",
    [
        "Could you always answer in French?",
        "Can you call me Annie from now on?",
        "I want you to always use metric units.",
    ],
)
def test_a_request_that_is_to_last_is_asserted(text: str) -> None:
    assert judged(text).assertion is Assertion.ASSERTED


@pytest.mark.parametrize(
    "text",
    [
        "If I moved to Lyon, I would need a car.",
        "If I moved to Lyon",
        "If I moved to Lyon, my commute gets longer.",
        "I would move if I found a job.",
        "I'd move to Lyon if they paid me.",
        "If I get the job, I'll move to Lyon.",
        "I'll move to Lyon if I get the job.",
        "If I had known, I would have come.",
        "I would have moved to Rome.",
        "I should have stayed in Rome.",
        "I would move to Spain in a heartbeat.",
        "Imagine I'm single again",
        "Imagine that I live in Rome.",
        "Suppose I live in Lyon.",
        "Suppose my salary is 5000.",
        "Let's say I live in Lyon.",
        "Say I lived in Lyon.",
        "Assuming I move to Lyon.",
        "Let's pretend I'm a doctor.",
        "Hypothetically, I live in Lyon.",
        "I wish I lived in Lisbon.",
        "I wish my brother lived closer.",
        "If only I lived closer.",
        "In the novel the hero says: I live in Atlantis",
        "In the film the hero lives in Rome.",
        "In my dream I lived on Mars.",
        "I was a pilot in my dream.",
        "I dreamed that I lived in Rome.",
        "For the role play I'm a pirate from Tortuga.",
        "What if I moved to Lyon",
        "Were I to move, I'd sell the car.",
        "I'm not sure if I'll move.",
        "I was going to move to Lyon.",
        "Even if I moved, I would keep my job.",
        "Wenn ich nach Lyon ziehen würde, bräuchte ich ein Auto.",
        "Wenn ich reich wäre, würde ich umziehen.",
        "Angenommen, ich wohne in Lyon.",
        "Stell dir vor, ich bin Single.",
        "Ich wünschte, ich wäre in Rom.",
        "Falls ich nach Lyon ziehe.",
        "Im Roman sagt der Held: Ich wohne in Atlantis.",
        "Si me mudara a Lyon, necesitaría un coche.",
        "Si viviera en Madrid, sería feliz.",
        "Si consigo el trabajo, me mudaré a Lyon.",
        "Imagina que vivo en Lyon.",
        "Ojalá viviera en Lisboa.",
        "Si je déménageais à Lyon, j'aurais besoin d'une voiture.",
        "Si j'étais riche, je partirais.",
        "Imagine que j'habite à Lyon.",
        "Se eu morasse em Lisboa, teria um barco.",
        "Imagine que eu moro em Lisboa.",
        "Se vivessi a Roma, avrei una Vespa.",
        "Se fossi ricco, partirei.",
        "Immagina che io viva a Roma.",
        "Als ik zou verhuizen, zou ik een auto nodig hebben.",
        "Stel dat ik in Lyon woon.",
        "Если бы я жил в Риме, я был бы счастлив.",
        "Представь, что я живу в Риме.",
        "如果我搬到里昂，我就需要一辆车。",
        "假如我住在东京。",
        "もし私がリヨンに引っ越したら、車が必要です。",
        "東京に住んでいればいいのに。",
    ],
)
def test_what_is_supposed_wished_dreamt_or_made_up_is_hypothetical(text: str) -> None:
    assert judged(text).assertion is Assertion.HYPOTHETICAL


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("Petra told me 'I moved to Zagreb'", "Petra"),
        ("Petra told me: I moved to Zagreb", "Petra"),
        ("Petra told me she moved to Zagreb.", "Petra"),
        ("Petra says she lives in Zagreb.", "Petra"),
        ("Yesterday Petra told me that she moved.", "Petra"),
        ("Dr. Weber said I have asthma.", "Dr. Weber"),
        ("My therapist says I should rest", "My therapist"),
        ("my therapist says I should rest", "my therapist"),
        ("According to the doctor, I'm anaemic.", "the doctor"),
        ("I'm anaemic, according to my doctor.", "my doctor"),
        ("He said that I moved to Lyon.", "He"),
        ("I heard from Ana that Karl moved.", "Ana"),
        ("I heard that Karl moved to Zagreb.", None),
        ("I was told that I have asthma.", None),
        ("I've been told I'm stubborn.", None),
        ("He is said to be rich.", None),
        ("My doctor thinks I'm anaemic.", "My doctor"),
        ("Ana Silva wrote: I live in Porto.", "Ana Silva"),
        ("The doctor told me to rest.", "The doctor"),
        ("My wife said the shop is closed.", "My wife"),
        ("As Petra said, the shop is closed.", "Petra"),
        ('"I moved to Zagreb," said Petra.', "Petra"),
        ("'I moved to Zagreb', Petra said.", "Petra"),
        ("Everyone says I look tired.", "Everyone"),
        ("Petra sagte, sie wohne in Zagreb.", "Petra"),
        ("Petra hat mir gesagt, dass sie umgezogen ist.", "Petra"),
        ("Laut meiner Ärztin habe ich Asthma.", "meiner Ärztin"),
        ("Petra me dijo que vive en Zagreb.", "Petra"),
        ("Mi médico dice que debo descansar.", "Mi médico"),
        ("Según mi médico, tengo asma.", "mi médico"),
        ("Me dijo que vive en Zagreb.", None),
        ("Petra m'a dit qu'elle habite à Zagreb.", "Petra"),
        ("Selon mon médecin, j'ai de l'asthme.", "mon médecin"),
        ("A Petra disse que mora em Zagreb.", "A Petra"),
        ("Segundo o médico, tenho asma.", "o médico"),
        ("Petra mi ha detto che abita a Zagabria.", "Petra"),
        ("Secondo il medico ho l'asma.", "il medico"),
        ("Petra zei dat ze in Zagreb woont.", "Petra"),
        ("Volgens de dokter heb ik astma.", "de dokter"),
        ("Петра сказала, что живёт в Загребе.", "Петра"),
        ("По словам врача, у меня астма.", "врача"),
        ("佩特拉说她住在萨格勒布。", "佩特拉"),
        ("医生告诉我应该休息。", "医生"),
        ("听说她搬家了。", None),
        ("ペトラがザグレブに引っ越したと言っていました。", "ペトラ"),
        ("先生によると、私は喘息です。", "先生"),
    ],
)
def test_what_another_says_is_reported_with_whom(text: str, by: str | None) -> None:
    assert judged(text) == assertion.Judgement(Assertion.REPORTED, by=by)


def test_a_question_that_another_asked_is_not_the_speakers() -> None:
    assert judged('Petra asked me "are you coming?"').assertion is not Assertion.QUESTION


@pytest.mark.parametrize("role", [Role.ASSISTANT, Role.USER])
@pytest.mark.parametrize(
    "text",
    [
        "The user said they moved to Munich.",
        "The user moved to Munich.",
        "User mentioned that he has a dog.",
        "The user says she is vegan.",
    ],
)
def test_a_note_about_the_user_is_the_users_own_assertion(text: str, role: Role) -> None:
    assert judged(text, role=role).assertion is Assertion.ASSERTED


END_OF_MARCH = span("the end of the month", day(2025, 3, 21), day(2025, 4, 1), Granularity.MONTH)
YEAR_2012 = span("In 2012", day(2012, 1, 1), day(2013, 1, 1), Granularity.YEAR)
COUNTED_BACK = span("for a year", day(2024, 3, 12), SAID_AT, Granularity.RANGE)
THIS_WEEK = span("this week", day(2025, 3, 10), day(2025, 3, 17), Granularity.WEEK)


@pytest.mark.parametrize(
    ("text", "times", "until"),
    [
        ("I'm living in Lisbon until the end of the month", (END_OF_MARCH,), day(2025, 4, 1)),
        ("In 2012 I moved to Chile for a year", (YEAR_2012, COUNTED_BACK), day(2013, 1, 1)),
        ("In 2012 I moved to Chile for a year", (YEAR_2012,), day(2013, 1, 1)),
        (
            "I lived in Rome until 2019",
            (span("until 2019", day(2019, 1, 1), day(2020, 1, 1), Granularity.YEAR),),
            day(2020, 1, 1),
        ),
        ("this week I'm working from home", (THIS_WEEK,), day(2025, 3, 17)),
        ("I'm in Rome for two days.", (), SAID_AT + dt.timedelta(days=2)),
        ("I'm staying with my sister.", (), None),
        ("I live with my parents for now.", (), None),
        ("At the moment I'm living in Porto.", (), None),
        ("I'm temporarily living in Porto.", (), None),
        ("I have a temporary address in Porto.", (), None),
        ("I'm here until further notice.", (), None),
        ("I lived with my parents until I was 25.", (), None),
        ("Until now I lived in Rome.", (), SAID_AT),
        ("I lived in Chile for two years.", (), None),
        ("I'm in Rome for the summer.", (), None),
        ("I'm on holiday in Spain.", (), None),
        ("I'm on maternity leave.", (), None),
        ("While my flat is being renovated I live at my mother's.", (), None),
        ("I'm in Berlin today.", (span("today", day(2025, 3, 12), day(2025, 3, 13)),), day(2025, 3, 13)),
        ("I'm going to Rome for a week.", (), None),
        ("Ich wohne bis Ende Mai in Lissabon.", (), None),
        ("Ich wohne vorübergehend in Porto.", (), None),
        ("Ich bin für zwei Wochen in Rom.", (), None),
        ("Vivo en Lisboa hasta fin de mes.", (), None),
        ("Por ahora vivo en Oporto.", (), None),
        ("Viví en Chile durante un año.", (), None),
        ("J'habite à Lisbonne jusqu'à la fin du mois.", (), None),
        ("Pour l'instant j'habite à Porto.", (), None),
        ("Moro em Lisboa até o fim do mês.", (), None),
        ("Por enquanto moro no Porto.", (), None),
        ("Abito a Lisbona fino a fine mese.", (), None),
        ("Per ora abito a Porto.", (), None),
        ("Ik woon tot eind mei in Lissabon.", (), None),
        ("Ik woon tijdelijk in Porto.", (), None),
        ("Я живу в Лиссабоне до конца месяца.", (), None),
        ("Я временно живу в Порту.", (), None),
        ("我暂时住在波尔图。", (), None),
        ("我在里斯本住到月底。", (), None),
        ("月末までリスボンに住んでいます。", (), None),
        ("一時的にポルトに住んでいます。", (), None),
    ],
)
def test_what_is_so_for_a_while_is_temporary_with_its_end(
    text: str, times: tuple[TimeSpan, ...], until: dt.datetime | None
) -> None:
    assert judged(text, *times) == assertion.Judgement(Assertion.TEMPORARY, until=until)


def test_a_while_from_the_last_of_a_month_ends_on_the_last_of_a_shorter_one() -> None:
    start = span("on 31 January", day(2025, 1, 31), day(2025, 2, 1))
    assert judged("On 31 January I moved to Rome for a month", start).until == day(2025, 2, 28)


IN_MAY = span("in May", day(2025, 5, 1), day(2025, 6, 1), Granularity.MONTH)
ON_MONDAY = span("on Monday", day(2025, 3, 17), day(2025, 3, 18))
TOMORROW = span("tomorrow", day(2025, 3, 13), day(2025, 3, 14))
IN_2030 = span("in 2030", day(2030, 1, 1), day(2031, 1, 1), Granularity.YEAR)


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("I will move to Lyon.", ()),
        ("I'll start at Google.", ()),
        ("My brother will move to Lyon.", ()),
        ("I'm going to move to Lyon.", ()),
        ("We're gonna get a dog.", ()),
        ("I'm planning to move to Lyon.", ()),
        ("I plan to quit smoking.", ()),
        ("I'm about to sign the lease.", ()),
        ("I'm thinking about moving to Lyon.", ()),
        ("I might move to Lyon.", ()),
        ("I'm moving to Lyon in May.", (IN_MAY,)),
        ("I start at Google on Monday.", (ON_MONDAY,)),
        ("My new job starts on Monday.", (ON_MONDAY,)),
        ("I fly to Rome tomorrow.", (TOMORROW,)),
        ("We decided to move to Lyon in May.", (IN_MAY,)),
        ("Jag flyttar till Lyon in May", (IN_MAY,)),
        ("Ich werde nach Lyon ziehen.", ()),
        ("Ich habe vor, nach Lyon zu ziehen.", ()),
        ("Voy a mudarme a Lyon.", ()),
        ("Me mudaré a Lyon.", ()),
        ("Je vais déménager à Lyon.", ()),
        ("Je déménagerai à Lyon.", ()),
        ("Vou me mudar para Lyon.", ()),
        ("Mi trasferirò a Lione.", ()),
        ("Ho intenzione di trasferirmi a Lione.", ()),
        ("Ik ga naar Lyon verhuizen.", ()),
        ("Я собираюсь переехать в Лион.", ()),
        ("Я перееду в Лион.", ()),
        ("我打算搬到里昂。", ()),
        ("リヨンに引っ越すつもりです。", ()),
    ],
)
def test_what_is_not_so_yet_is_planned(text: str, times: tuple[TimeSpan, ...]) -> None:
    assert judged(text, *times).assertion is Assertion.PLANNED


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("My passport expires in 2030.", (IN_2030,)),
        ("The deadline is in May.", (IN_MAY,)),
        ("The exam is on Monday.", (ON_MONDAY,)),
        ("The course starts in May.", (IN_MAY,)),
        ("I'm due in May.", (IN_MAY,)),
        ("I booked a flight for tomorrow.", (TOMORROW,)),
        ("I quit smoking in May.", (IN_MAY,)),
        ("It will be 3 years in May since I moved", (IN_MAY,)),
        ("I moved yesterday and start tomorrow.", (span("yesterday", day(2025, 3, 11), day(2025, 3, 12)), TOMORROW)),
        (
            "I met Ana today.",
            (span("today", day(2025, 3, 12), day(2025, 3, 13)),),
        ),
    ],
)
def test_what_holds_now_and_only_has_its_date_ahead_is_asserted(text: str, times: tuple[TimeSpan, ...]) -> None:
    assert judged(text, *times).assertion is Assertion.ASSERTED


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Petra told me she would move if she got the job", Assertion.HYPOTHETICAL),
        ("Remind me that I'm moving in May", Assertion.REQUEST),
        ("My sister says she will move to Lyon.", Assertion.REPORTED),
        ("I'm going to Rome for a week.", Assertion.TEMPORARY),
        ("Will I move to Lyon?", Assertion.QUESTION),
    ],
)
def test_the_first_that_fits_is_taken(text: str, first: Assertion) -> None:
    assert judged(text).assertion is first


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.text(max_size=80), st.booleans(), st.sampled_from(Role))
def test_any_text_is_judged(text: str, is_peer_talk: bool, role: Role) -> None:
    judgement = assertion.judge(text, role=role, is_peer_talk=is_peer_talk, times=(), said_at=SAID_AT)
    assert judgement.by is None or judgement.assertion is Assertion.REPORTED
    assert judgement.until is None or judgement.assertion is Assertion.TEMPORARY
