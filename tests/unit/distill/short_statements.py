"""Over two hundred short statements as people write them, what only keeps in touch, and sentences of other matters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Short(NamedTuple):
    """What a person said; a question that it answers, the assistant's question before it, and a greeting before it."""

    text: str
    question: str = ""
    asked: str = ""
    hail: str = ""


S = Short

MEDICAL = (
    S("I'm pregnant.", "Am I expecting a baby?", hail="Hey!"),
    S("Allergic to penicillin.", "Which medicine am I allergic to?"),
    S("type 1 diabetic here", "Do I have diabetes?"),
    S("My blood type is O negative.", "What's my blood group?"),
    S("Broke my left wrist.", "Which wrist did I break?", hail="Ugh."),
    S("I wear contact lenses.", "Do I wear glasses or contacts?"),
    S("quit smoking in march", "When did I stop smoking?"),
    S("asthma since childhood", "How long have I had asthma?"),
    S("No ibuprofen for me."),
    S("I get migraines.", "Do I suffer from headaches?"),
    S("He's colour-blind."),
    S("Mum had a stroke.", "What happened to my mother?"),
    S("It's benign!", hail="Good news!"),
    S("Tested positive yesterday."),
    S("I sleep terribly.", "How well do I sleep?"),
    S("Dentist on Thursday at nine.", "When is my dentist appointment?"),
    S("No more chemo.", "Am I still having chemotherapy?"),
    S("my knee is fine now"),
    S("She's deaf in one ear."),
    S("I faint at needles.", "How do I react to injections?"),
)
FAMILY = (
    S("Karl and I broke up.", "Am I still together with Karl?"),
    S("She said yes!", hail="omg hi!!"),
    S("It's a girl!", "Is the baby a boy or a girl?"),
    S("My son's called Theo.", "What is my son's name?"),
    S("Three kids, all grown.", "How many children do I have?"),
    S("Dad passed away.", "Is my father still alive?"),
    S("I'm an only child.", "Do I have any siblings?"),
    S("Grandma turns ninety in June.", "When is grandma's birthday?"),
    S("we're adopting"),
    S("He moved out."),
    S("My parents are divorced.", "Are my parents still married?"),
    S("Uncle Raj lives with us.", "Which relative lives in our house?"),
    S("My partner is Danish.", "Where does my partner come from?"),
    S("I hate my middle name."),
    S("Twins, apparently."),
    S("Ines is my stepdaughter.", "Who is Ines?"),
    S("Nobody calls me Robert."),
    S("Call me Bo.", "What should you call me?", hail="Nice to meet you!"),
    S("they/them please", "What are my pronouns?"),
    S("Mia said no."),
    S("My cousin joined the navy.", "Who is in the navy?"),
)
WORK = (
    S("I got the job!", hail="Guess what."),
    S("Laid off on Friday.", "When did I lose my job?"),
    S("I'm a nurse.", "What do I do for a living?", hail="Good evening!"),
    S("night shifts only", "Which shifts do I work?"),
    S("My boss is Priya.", "Who is my manager?"),
    S("We work remotely."),
    S("i don't do Mondays"),
    S("raise denied, again", "Did I get a pay rise?"),
    S("Deadline's moved to Tuesday.", "When is the deadline?"),
    S("Never call before ten.", "How early may you phone me?"),
    S("She resigned."),
    S("I start Monday."),
    S("Our office closed."),
    S("My badge number is 4471.", "What's my badge number?"),
    S("Promoted, finally!", "Have I been promoted?"),
    S("Lunch is unpaid."),
    S("I report to two people."),
    S("Union member since 2015.", "Am I in a union?"),
    S("no meetings on wednesdays", "On which day do I want no meetings?"),
    S("They fired Omar.", "What happened to Omar?"),
)
FOOD = (
    S("No dairy please.", "Can I have milk or cheese?"),
    S("I hate cilantro.", "Which herb don't I like?"),
    S("I'm vegan now.", "Do I eat meat?", hail="Hi again!"),
    S("Extra spicy, always.", "How hot do I like my food?"),
    S("Nuts are fine."),
    S("decaf only after noon", "What coffee do I drink in the afternoon?"),
    S("I can't stand olives."),
    S("Sushi's my favourite.", "What's my favourite dish?"),
    S("two sugars in my tea", "How do I take my tea?"),
    S("He's coeliac."),
    S("Oat milk, thanks."),
    S("I don't drink.", "Do I drink alcohol?"),
    S("Half a portion please."),
    S("Garlic gives me heartburn.", "What gives me heartburn?"),
    S("My oven is broken.", "Is the oven working?"),
    S("pineapple on pizza: yes", "Do I like pineapple on my pizza?"),
    S("I bake every Sunday.", "When do I bake?"),
    S("Rare, not medium."),
    S("Gluten makes me ill."),
    S("No mushrooms."),
)
HABITS = (
    S("Up at five daily.", "What time do I get up?"),
    S("I jog before work.", "When do I go running?"),
    S("No phone after eight."),
    S("I journal at night.", "Do I keep a diary?"),
    S("bite my nails, still", "Do I still bite my nails?"),
    S("I pray five times daily."),
    S("Left-handed, btw.", "Am I right-handed?"),
    S("I nap after lunch.", "When do I take a nap?"),
    S("cold showers every morning"),
    S("I sing in a choir.", "Am I in a choir?"),
    S("Yoga on Tuesdays.", "On which day is yoga?"),
    S("I never watch tv"),
    S("Collecting stamps again.", "What do I collect?"),
    S("Chess club, Thursdays", "When does the chess club meet?"),
    S("Meditating helps."),
    S("My therapist says rest."),
    S("I bike everywhere.", "How do I get around town?"),
    S("gave up gambling", "Do I still gamble?"),
)
ORDERS = (
    S("Keep it short.", "How long should your answers be?", hail="Thanks!"),
    S("Answer in Dutch.", "In which language should you answer?"),
    S("No emojis, ever.", "May you use emojis?"),
    S("Use metric units.", "Miles or kilometres, which units do I want?"),
    S("Don't email me."),
    S("Remind me at six."),
    S("Cancel the gym."),
    S("Ship it to Leeds.", "Where should it be shipped?"),
    S("make it two"),
    S("Return the boots."),
    S("Book the aisle seat.", "Where do I want to sit on the plane?"),
    S("delete my old address"),
    S("shoe size 42, wide", "What's my shoe size?"),
    S("Spell it with a K."),
    S("Stop asking."),
)
MONEY = (
    S("I'm broke."),
    S("Rent is 900.", "How much rent do I pay?"),
    S("Paid in full.", hail="All good."),
    S("My budget's 300 euros.", "How much may it cost?"),
    S("we owe Pat fifty quid", "Whom do we owe money?"),
    S("I bank with Monzo.", "Which bank am I with?"),
    S("nope, sold it"),
    S("Mortgage approved!", "Did the mortgage go through?", hail="Woohoo!"),
    S("Cash only."),
    S("Inherited a farm.", "What did I inherit?"),
    S("My card got stolen.", "What happened to my card?"),
    S("I tip twenty percent.", "How much do I tip?"),
    S("saving for a van", "What am I saving for?"),
    S("Won the raffle lol"),
    S("Taxes are done.", "Have I done my taxes?"),
)
TRAVEL = (
    S("I get seasick.", "Do I get sick on boats?"),
    S("Flight's at noon.", "When is my flight?"),
    S("Never been to Asia.", "Have I ever been to Asia?"),
    S("Passport expired.", "Is my passport valid?"),
    S("We landed.", hail="Hello from Rome!"),
    S("My visa came through.", "Did I get the visa?"),
    S("Train, not plane."),
    S("lost my luggage in Rome", "Where did I lose my luggage?"),
    S("Moving to Oslo.", "Where am I moving?"),
    S("Hotel's booked."),
    S("Back on Sunday."),
    S("Honeymoon in Bali.", "Where is the honeymoon?"),
    S("I don't drive.", "Can I drive a car?"),
    S("staying with Ruth", "With whom am I staying?"),
    S("Missed the ferry.", "Did we catch the ferry?"),
)
PETS = (
    S("My dog died.", "What happened to my dog?"),
    S("Biscuit is a beagle.", "What breed is Biscuit?"),
    S("we got a parrot", "Which bird do we have?"),
    S("The hamster escaped.", "What happened to the hamster?"),
    S("Rex bit the postman.", "Whom did Rex bite?"),
    S("no pets allowed here", "Are pets allowed in my building?"),
    S("She's chipped and spayed."),
    S("Adopted two kittens!", "How many kittens did I adopt?"),
    S("Goldie needs new gravel."),
    S("Vet on the 3rd.", "When do we see the vet?"),
)
SCHOOL = (
    S("I failed chemistry.", "Which exam did I fail?"),
    S("I passed the bar.", "Did I pass the bar exam?"),
    S("homeschooled till twelve"),
    S("Majoring in botany.", "What do I study?"),
    S("My thesis is late."),
    S("dropped out in 2019", "When did I leave university?"),
    S("I'm dyslexic.", "Do I have trouble reading?"),
    S("Ms. Ortiz teaches us.", "Who is our teacher?"),
    S("Learning Welsh slowly.", "Which language am I learning?"),
    S("I play the oboe.", "Which instrument do I play?"),
    S("got a B minus"),
)
TECHNOLOGY = (
    S("I use Arch, btw."),
    S("Vim over Emacs.", "Which editor do I prefer?"),
    S("My phone's a Pixel.", "What phone do I have?"),
    S("wifi's down again", "Is the internet working?"),
    S("Dark mode everywhere.", "Do I prefer a dark or a light theme?"),
    S("We run Postgres.", "Which database do we use?"),
    S("Tabs, not spaces.", "Do I indent with tabs or spaces?"),
    S("laptop fell in the bath", "What happened to my laptop?"),
    S("Python 3.9 only.", "Which Python version must it be?"),
    S("No cloud, ever."),
    S("switched to Firefox", "Which browser do I use?"),
    S("My username is kestrel7.", "What's my username?"),
    S("CI takes forty minutes."),
    S("Deploys happen Thursdays."),
    S("it only crashes on Linux"),
)
OTHER_LANGUAGES = (
    S("Ich bin schwanger.", hail="Hallo!"),
    S("Keine Nüsse bitte.", "Darf ich Nüsse essen?"),
    S("Mein Hund heißt Bruno.", "Wie heißt mein Hund?"),
    S("hab ich verkauft"),
    S("Wir heiraten im Mai."),
    S("Je suis végétarienne.", hail="Salut !"),
    S("Pas de sucre, merci."),
    S("Mon frère est pompier.", "Que fait mon frère ?"),
    S("j'ai déménagé à Lyon"),
    S("Estoy embarazada.", hail="¡Hola!"),
    S("Sin gluten, por favor."),
    S("Mi jefa se llama Carmen.", "¿Cómo se llama mi jefa?"),
    S("ya no fumo"),
    S("Moro em Braga.", "Onde moro?"),
    S("Não como carne."),
    S("perdi o emprego"),
    S("Sono allergica alle fragole."),
    S("Ho due gatti.", "Quanti gatti ho?"),
    S("Odio il lunedì."),
    S("Я беременна."),
    S("Мой сын учится в Казани.", "Где учится мой сын?"),
    S("я не ем мясо"),
    S("我怀孕了。"),
    S("我儿子叫小明。", "我儿子叫什么？"),
    S("不要香菜"),
    S("妊娠しています。"),
    S("犬を飼っています。", "犬を飼っていますか？"),
)
ANSWERS = (
    S("Yes.", "Do I have a tattoo?", asked="Do you have any tattoos?"),
    S("nope", "Do I eat pork?", asked="Do you eat pork?"),
    S("A little.", "Do I speak Polish?", asked="Do you speak Polish?"),
    S("Never.", "Have I ever gone skiing?", asked="Have you ever been skiing?"),
    S("Blue.", "What is my favourite colour?", asked="What is your favourite colour?"),
    S("Since May.", asked="How long have you lived alone?"),
    S("Both of them.", asked="Are your grandparents coming to the party?"),
    S("Sure, go ahead.", asked="May I give your number to the plumber?"),
    S("Not anymore.", "Do I still play football?", asked="Do you still play football?"),
    S("Haha no.", "Do I like karaoke?", asked="Do you like karaoke?"),
    S("Yep, twice.", "Have I run a marathon?", asked="Have you run a marathon?"),
    S("Of course not.", asked="Do you believe in ghosts?"),
    S("Vielleicht.", asked="Kommst du zum Sommerfest?"),
)
STATEMENTS: tuple[Short, ...] = (
    *MEDICAL, *FAMILY, *WORK, *FOOD, *HABITS, *ORDERS, *MONEY, *TRAVEL, *PETS, *SCHOOL, *TECHNOLOGY,
    *OTHER_LANGUAGES, *ANSWERS,
)  # fmt: skip

KEEPING_IN_TOUCH = (
    "Hi!", "Hello there!", "hey hey", "Good morning!", "good evening :)", "Goodnight!", "Bye!", "Take care!",
    "See you later!", "Talk to you later.", "Nice to meet you!", "How are you?", "What's up?", "Welcome!", "Thanks!",
    "thx", "Thank you so much!", "Thanks a lot!", "Many thanks.", "I appreciate it.", "ok", "Okay!", "Got it.",
    "Great to hear from you!", "hmm", "Haha", "lol", "Wow!", "Oh wow, amazing!", "That's great!", "Sounds good.", "Awesome!",
    "Congratulations!", "So cute!", "I totally agree.", "Of course!", "Oh no!", "I'm so sorry to hear that.",
    "\U0001f600\U0001f44d", "!!!",
)  # fmt: skip

OTHER_MATTERS = (
    "The lighthouse at the northern cape was painted white long ago.",
    "Glaciers carve wide valleys over thousands of years.",
    "The museum shows pottery from the Bronze Age.",
    "A comet crosses the inner planets every seventy-six years.",
    "The mayor opened the new bridge with a short speech.",
    "Copper conducts heat better than iron does.",
    "The novel tells of a captain who hunts a whale.",
    "Fog covered the harbour until the bells rang.",
    "The orchestra tuned before the conductor came in.",
    "Maples turn red when the nights grow cool.",
    "The treaty ended a war of thirty years.",
    "Bees dance to show where the flowers are.",
    "The library keeps its maps in a dry cellar.",
    "Granite cools slowly deep under the ground.",
    "The goalkeeper saved a penalty in the last minute.",
    "Moss grows on the shaded side of the wall.",
    "The windmill ground barley for the whole village.",
    "Saturn's rings are made of ice and dust.",
    "The actor forgot a line in the second act.",
    "Salt was once carried across the desert on camels.",
    "The clock tower chimes a little too early.",
    "Dolphins sleep with half of their brain awake.",
    "The river flooded the lower meadows in spring.",
    "A locksmith opened the old chest for the heirs.",
    "The parliament debated the fishing quotas all week.",
    "Volcanic soil suits the vines on the island.",
    "The documentary follows a herd of reindeer.",
    "Rust weakens the bolts of the old pier.",
    "The sculptor worked with marble from Carrara.",
    "Lightning struck the oak beside the chapel.",
    "The referee stopped the match because of hail.",
    "Silk is spun from the cocoons of moths.",
    "The canal joins the two lakes of the region.",
    "Crows remember faces for many years.",
    "The bakery on the corner became a bookshop.",
    "Tides are strongest at full and new moon.",
    "The census counted fewer people in the mountains.",
    "Amber sometimes holds insects from another age.",
    "The tram line was extended to the stadium.",
    "Peat burns slowly and gives a lot of smoke.",
    "The painter mixed her greens from two pigments.",
    "Storks nest on the chimneys of the old mill.",
    "The satellite sends pictures of the ice shelf.",
    "Basalt columns rise along the western shore.",
    "The judge postponed the hearing by a month.",
    "Wolves returned to the forests of the border.",
    "The carpenter joined the beams without nails.",
    "A drought emptied the reservoir above the town.",
    "The cathedral's windows were taken down in the war.",
    "Penguins share the warmth of the group by turns.",
    "The auction house sold a letter of the composer.",
    "Bamboo can grow a metre in a single day.",
    "The expedition reached the pole on skis.",
    "Limestone caves keep the same temperature all year.",
    "The newspaper printed a map of the eclipse.",
    "Otters crack shells with stones on their bellies.",
    "The festival ends with lanterns on the lake.",
    "Cement hardens under water as well.",
    "The archive found a film that was thought lost.",
    "Swifts sleep while they glide at great height.",
)


def messages(statements: tuple[Short, ...]) -> Iterator[tuple[str, str, list[Short]]]:
    """The assistant's question ("" for none), a message of two to four of the statements, and those; an answer comes
    first in its message, and what ends without a stop has a line of its own.
    """
    answers = [short for short in statements if short.asked]
    others = iter([short for short in statements if not short.asked])
    number = 0
    while group := [short for _, short in zip(range(2 + number % 3), others, strict=False)]:
        if number % 3 == 0 and answers:
            group.insert(0, answers.pop())
        yield group[0].asked, joined([short.text for short in group], group[0].hail), group
        number += 1
    for short in answers:
        yield short.asked, short.text, [short]


def joined(texts: list[str], hail: str = "") -> str:
    """As one message."""
    parts = [hail, *texts] if hail else texts
    return "".join(part + (" " if part[-1] in ".!?。" else "\n") for part in parts).rstrip()
