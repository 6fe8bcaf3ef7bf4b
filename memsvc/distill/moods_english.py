"""The words by which English marks what is not plainly asserted."""

from __future__ import annotations

import re

from memsvc.distill import moods

_SUBJECT = (
    r"(?:i|we|he|she|it|they|you|there|someone|this|that|"
    r"(?:my|our|his|her|their|the|your) [\w'-]+(?: [\w'-]+)?)"
)
_BE = r"(?:am|'m|are|'re|is|'s|was|were)"
_UNREAL_PAST = (
    r"(?:were|was|had|could|would|moved|lived|lost|got|won|went|became|knew|found|left|quit|made|took"
    r"|gave|bought|sold|"
    r"wasn't|weren't|hadn't|didn't|(?!need\b|feed\b)\w{2,}ed)"
)
_UNIT = r"(?:day|night|week|weekend|month|year|semester|term|decade)s?"
_COUNT = r"(?:a couple of|a few|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|several|some|\d+)"
_NAMED_DAY = (
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|jan\w*|feb\w*|march|april|may|june?|july?|aug\w*"
    r"|sept?\w*|oct\w*|"
    r"nov\w*|dec\w*|spring|summer|autumn|fall|winter|christmas|easter"
)
_WHAT_FOR = r"(?:me|us|him|them|her|my|our|the|a|an|this|that|these|those|it|some|all|your|another|\d+)"
_NO_ORDER = (
    r"(?:no|not|note|never|always|only|just|don't|do not|remember|keep in mind|be|know|understand"
    r"|find attached|use|"
    r"avoid|keep|stop|make sure|ensure|stick|call me (?!at|on|back|when|tomorrow|later|now|tonight))\b"
)

# A clause, where "that" may be left out: a word that is a subject only, or a noun with its verb.
_BARE_CLAUSE = (
    r"(?:,? (?:i|we|he|she|they)(?:'\w+)?\b|"
    r",? (?:it|you|there|this)(?:'\w+| (?:is|are|was|were|will|would|has|have|had|can|could|might|may"
    r"|does|did|should))\b|"
    r",? (?!about\b|of\b|off\b|what|how\b|why\b|no\b|yes\b|hi\b|so\b|where\b|who\b)[\w'-]+"
    r"(?: (?!that|who|which|about|when|where|what|how|why|to\b)[\w'-]+){0,3}? "
    r"(?:is|are|was|were|has|have|had|will|would|can|could|should|might|moved|died|married|quit|left"
    r"|lives|works|isn't|"
    r"aren't|doesn't|didn't|don't|won't|can't)\b)"
)
_CLAUSE = rf"(?:,? ?that (?!(?:song|story|joke|one|book|way|word)\b)|{_BARE_CLAUSE})"
_SAID = (
    rf"(?:(?:says?|said|writes?|wrote|claims?|claimed|mentions?|mentioned|reports?|reported|insists?"
    rf"|insisted|explained|"
    rf"announced|replied|swears?|swore|admitted|confirmed|reckons?|thinks?|thought|believes?|believed"
    rf"|suggests?|"
    rf"suggested|recommends?|recommended|advises?|advised)"
    rf"(?:(?: to me| to us)?(?: ?[:,]? ?(?<=[ :,])[\"'\u201c\u2018\u00ab]| ?: |{_CLAUSE})|(?<=said"
    rf"|says) to \w+|(?<=advised) me to\b|(?<=advises) me to\b)|"
    rf"(?:tells?|told|texted|warned|assured|informed|reminded|texts|warns) (?:me|us|him|her|them"
    rf"|everyone)"
    rf"(?:,? ?[:,]? ?(?<=[ :,])[\"'\u201c\u2018\u00ab]| ?: | to \w+|{_CLAUSE})|"
    rf"ask(?:s|ed) (?:me |us )?(?:if|whether)\b)"
)
_ADVERBS = (
    r"(?: (?:also|just|once|always|recently|has|had|have|already|actually|kept|still|now|then|often|later"
    r"|apparently))*"
)

ENGLISH = moods.Mood(
    lead=re.compile(
        r"(?:(?:hey|hi|hello|ok|okay|well|oh|alright|right|great|thanks|thank you|perfect|yes|yeah|no|nope"
        r"|sure|cool|"
        r"actually|anyway|btw|by the way|honestly|listen|look|ah|um|haha|lol|wow|so|and|but|also|then|now"
        r"|p\.?s)"
        r"\b(?:[,!.:;]+\s*|\s+[\u2014\u2013-]+\s+)(?=\w)|(?:so|and|but|also|then|now) (?!(?:far|long)\b))*"
        r"(?:\w+, (?=(?:please|can you|could you|would you|remind me|help me|tell )\b))?"
    ),
    question=(
        moods.cue(
            "do does did am are is was were can could will would should shall may have has",
            r"^(?!were i to\b|(?:were|had) i\b.*(?:\bwould\b|'d\b))(?:(?:do|did|have|may|shall|should|were"
            r"|was) (?:i|we|they|he|she|it|there)|(?:do|did|have|were) you|"
            r"(?:does|is|was|has) (?:he|she|it|there|my|your|this|that|anyone|anybody)|(?:are|am|can|could|will"
            r"|would) "
            r"(?:i|you|we|he|she|it|they|there|my|your|anyone|someone|somebody)|did my)\b(?!,)",
        ),
        moods.cue(
            "what where when who whose why how which",
            r"^(?:what|where|who|why|how|when)(?: is|'s| are| was| were| do| does| did| can| could| should| would"
            r"| will| "
            r"has| have) (?!.*\b(?:is|was|are)\b)|^how (?:many|much|old|long|often|far|tall|big)\b|"
            r"^(?:what|which|whose) (?:\w+ ){1,2}(?:is|are|was|were|do|does|did|should|can|could|will|would) "
            r"(?:i|you|we|he|she|they|it|my|your)\b|^(?:how come|how about|what about)\b",
        ),
        moods.cue(
            "wonder wondering",
            r"^(?:i wonder|i'm wondering|i was wondering) (?:if|whether|what|where|how|why|who|when)\b",
        ),
        moods.cue("know", r"^(?:do you know|you know) (?:if|whether|what|where|how|why|who|when) (?!.*\bbecause\b)\b"),
    ),
    asks=(
        moods.cue(
            "can could would will",
            r"^(?:can|could|would|will) (?:you|u|someone|anyone|somebody)(?: guys)?,? "
            r"(?!believe|imagine|see\b|hear\b|feel\b|remember (?!to)|like\b|prefer|say\b|rather|ever|swim|eat"
            r"|not\b)|"
            r"^(?:can|could|may) i (?:get|have|ask)\b",
        ),
        moods.cue("mind", r"^(?:would|do) you mind \w+ing\b"),
        moods.cue("wondering wonder", r"^i(?:'m| was)? wonder(?:ing)? if you (?:can|could|would|might)\b"),
    ),
    request=(
        moods.cue("please kindly pls", rf"^(?:please|kindly|pls|plz),? (?!{_NO_ORDER})"),
        moods.cue(
            "",
            r"^(?:translate|summari[sz]e|rewrite|rephrase|paraphrase|proofread|explain|generate|calculate|compute"
            r"|recommend|"
            r"brainstorm|convert|classify|refactor|debug|elaborate|analy[sz]e|remind (?:me|us|him|her|them)"
            r"|help (?:me|us)|"
            r"let me know|tell (?:me|us|him|her|them|my|the|your|everyone|[\w]+ (?:that|to|i)\b)|act as"
            r"|pretend (?:to|you)|"
            r"role-?play|say (?:hi|hello|something|it|goodbye|thanks|happy|sorry)|guess\b|come (?:over|here|with"
            r"|to|by)\b|"
            r"go (?:ahead|get|to)\b"
            r"|check (?:if|whether)\b|add [\w ]+ to\b"
            r"|read (?:me|this|it|that|the)\b|wait (?:for|until)\b|forget (?:that|what|my|everything|about|it)\b"
            r"|remember to\b|don't forget to\b)\b",
        ),
        moods.cue(
            "",
            rf"^(?:write|draft|compose|describe|compare|list|give|show|send|find|make|create|suggest|book"
            rf"|schedule|add|"
            rf"remove|delete|change|update|set|open|close|check|fix|review|edit|correct|answer|look up"
            rf"|look at|"
            rf"look into|search(?: for)?|get|bring|take|buy|order|pick up|put|play|turn|start|stop|cancel"
            rf"|reply to|respond to|"
            rf"save|print|plan|design|implement|build|run|test|ask|email|text|invite|pass|continue|finish"
            rf"|complete|fill|"
            rf"extract|format|sort|count|solve|provide|outline|prepare|cook|ignore|imitate|call) "
            rf"(?:up |out |back |down |off |on |in )?{_WHAT_FOR}\b(?! (?:is|was|are|were)\b)",
        ),
        moods.cue(
            "want need like",
            r"^i(?:'d like| want| need| would like) (?:you|u) to\b|^i (?:want|need) to know (?:if|what|how|why"
            r"|where|when|who)\b|^i need (?:your )?help\b",
        ),
        moods.cue(
            "appreciate great good",
            r"^(?:i'd|i would|it'd|it would) (?:appreciate it|be (?:great|good|nice|helpful)) if you\b",
        ),
        moods.cue(
            "let",
            r"^let's (?:meet|talk|see|start|begin|try|do|look at|get|make|write|plan|discuss|continue|grab"
            r"|catch up|eat|play|watch|move on|find|think|review|call it|go (?!with))\b",
        ),
    ),
    lasting=(
        moods.cue(
            "always never now future forward henceforth every each whenever default times remember mind dont",
            r"\b(?:from now on|in (?:the )?future|going forward|henceforth|every time|each time|whenever"
            r"|by default|at all "
            r"times|keep in mind)\b|^(?:\w+ ){0,3}(?:always|never)\b|\b(?:to|you|must|should) (?:always|never)\b"
            r"|^(?:please )?remember that\b",
        ),
        moods.cue(
            "call",
            r"^(?:please )?call (?:me|us) (?!at\b|on\b|back\b|if\b|when\b|tomorrow|later|now\b|tonight|today|asap"
            r"|in\b|before|after|"
            r"around|this|next|crazy|mon|tues|wednes|thurs|fri|satur|sun|\d|please)\w",
        ),
    ),
    real=(
        moods.cue(
            "if",
            r"\b(?:as if|(?:tell|see|ask\w*|check|decide|remember|say|out|matter|doubt|care|wonder\w*) if|(?:know"
            r"|sure|idea) if(?! (?:i|we)(?:'ll|'m| will| should| am| want| can)\b))\b",
        ),
        moods.cue(
            "if",
            r"\bif (?:you(?:'re| are)? (?:interested|ask|must|want|need|like|wonder\w*|don't mind|prefer|know"
            r"|remember|care|recall|see|asked|"
            r"ever (?:need|want))|(?:that|it|this) (?:matters|helps|counts|is relevant|makes|is ok|works)"
            r"|possible|necessary|"
            r"needed|any|so|not|i (?:remember|recall|may|might|'m not mistaken|am not mistaken|understand)"
            r"|i'm (?:not mistaken|honest|"
            r"being honest|right)|anything|memory serves|nothing else|all goes well)\b",
        ),
        moods.cue(
            "would d",
            r"\b(?:i|we)(?:'d| would)(?: \w+ly| rather| still| also)? (?:like|love|prefer|rather|appreciate|enjoy"
            r"|hate|"
            r"recommend|suggest|say|think|argue|describe|call)\b",
        ),
    ),
    unreal=(
        moods.cue(
            "if",
            r"^(?:even )?if\b(?!.*\b(?:would|could|'d) you\b).*\b(?:would|could|might|wouldn't|couldn't|\w+'d"
            r"|will|\w+'ll|won't|gonna)\b|"
            rf"^(?:even )?if (?:only )?{_SUBJECT} (?:ever |suddenly |just |really )?{_UNREAL_PAST}\b"
            r"(?!.*\b(?:sorry|apolog\w+|because|forgive|it was|that was|my bad)\b)|^if only\b|^if (?:i"
            r"|we) (?:move|get|lose|find|win|quit|become)\b[^,]*$|"
            r"\b(?:would|wouldn't|\w+'d|could|might|will|\w+'ll|won't|going to|gonna)\b.*\bif (?!necessary"
            r"|needed)\b|^what if\b",
        ),
        moods.cue(
            "imagine suppose supposing assuming pretend say hypothetically",
            r"^(?:now |just )?(?:let's )?(?:imagine|suppose|pretend)(?: for a (?:moment|second"
            r"|minute))?,?(?: that)? (?!my (?:surprise|joy|shock|relief|horror)|so\b|to\b)|"
            r"^(?:supposing|assuming)\b|^(?:let's )?say (?:that )?(?:i|i'm|we|we're|you|you're|he|she|they|my"
            r"|there)\b(?!\w)|^hypothetically\b|^let's assume\b|^assume (?:that )?(?:i|we|my)\b",
        ),
        moods.cue("wish", rf"\bwish(?:es|ed)? (?:that )?{_SUBJECT}(?: {_UNREAL_PAST}|'d| still| weren't| didn't)\b"),
        moods.cue(
            "novel story screenplay script dream nightmare dreams fanfic fairy tale",
            r"^in (?:the|my|his|her|our|a|this) (?:\w+ )?(?:novel|story|screenplay|script|fanfic|fairy tale"
            r"|nightmare|dreams?)\b"
            r"(?!,? i (?:read|finished|wrote|am reading|'m reading|'m writing|like|love)| (?:job|house|home|car"
            r"|world))|"
            r"\bin (?:the|a|my) (?:dream|nightmare)\b(?! (?:job|house|home|car|world))|^in (?:the )?novels?\b",
        ),
        moods.cue(
            "hero heroine protagonist narrator character villain",
            r"^in (?:the|my|his|her|our|a|this) (?:\w+ )?(?:book|film|movie|show|series|play|game|chapter|episode"
            r"|comic|manga|scene)\b.*\b"
            r"(?:hero|heroine|protagonist|narrator|character|villain)\b|^the (?:hero|heroine|protagonist|narrator"
            r"|villain)(?: of the \w+)? (?:says|said|lives)\b",
        ),
        moods.cue("dreamed dreamt", r"\bi (?:dreamed|dreamt) (?:that )?(?:i|we|he|she|they|my|it)\b"),
        moods.cue("role roleplay", r"\b(?:for|in) (?:the|our|this) role[- ]?play\b"),
        moods.cue(
            "have ve",
            r"\b(?:i|we|he|she|they|it) (?:would|could|should|might|wouldn't)(?:'ve| have| not have) (?:been|gone"
            r"|had|become|\w+ed|bought|taken|left|quit|made|done|known|chosen|won|lost)\b",
        ),
        moods.cue(
            "would d",
            r"^(?!.*\b(?:every|always|often|sometimes|usually|as a (?:child|kid)|when i was|summers)\b)(?:i"
            r"|we)(?:'d| would)"
            r"(?: probably| never| definitely| not)? (?:move|live|work|quit|marry|study|switch|become|buy|retire"
            r"|leave)\b",
        ),
        moods.cue("were had", r"^(?:were|had) i (?:to )?\w+(?:.*\bwould\b)|^were i to\b"),
        moods.cue(
            "sure know",
            r"\b(?:not sure|don't know|unsure) (?:if|whether) (?:i|we)(?:'ll|'m| will| should| am| want"
            r"| can)\b(?!.*\bbut\b)",
        ),
        moods.cue("might may", r"^(?:i|we) (?:might|may) be (?!wrong|mistaken|biased|late\b|old)(?!.*\bbut\b)"),
        moods.cue(
            "was were",
            r"\b(?:i was|we were) (?:going|about|planning|supposed) to (?:move|live|buy|quit|marry|start|stop"
            r"|become|get|take|sell|study|leave|retire|switch)\b",
        ),
    ),
    reported=(
        moods.cue(
            "say says said write writes wrote claim claims claimed mention mentions mentioned report reports "
            "reported insists insist insisted explained "
            "announced replied swear swears swore admitted confirmed reckon reckons think thinks thought believe "
            "believes believed suggest suggests "
            "suggested recommend recommends recommended advise advises advised tell tells told texted texts "
            "warned warns assured informed reminded asks asked",
            r"^(?:(?:yesterday|today|last \w+|this \w+|earlier|on \w+day|as|like|because|apparently|two days ago"
            r"|the other day|once),? )?"
            r"(?P<by>(?:my|our|his|her|their|the|your|an?|some|one of (?:my|the|our)"
            r"|both) [\w'-]+(?: (?!that\b)[\w'-]+){0,4}?|(?:(?:dr|mrs?|ms|prof)\. )?[\w'-]+(?: [\w'-]+){0,2}?)"
            rf"{_ADVERBS} {_SAID}",
        ),
        moods.cue(
            "says said",
            r"^(?:as|like) (?P<by>[\w'-]+(?: [\w'-]+){0,2}?) (?:says|said|told me|mentioned),|"
            r"(?:[\"'\u201d\u2019],?|,) (?:says|said) (?P<by_after>[\w'-]+(?: [\w'-]+){0,2})\.?$|"
            r"(?:[\"'\u201d\u2019],?|,) (?P<by_last>(?:my |the |our )?[\w'-]+(?: [\w'-]+)?) (?:says|said"
            r"|told me)\.?$",
        ),
        moods.cue("according", r"^according to (?P<by>[^,]{1,40}),|\baccording to (?P<by_after>[^,.]{1,40})\W*$"),
        moods.cue(
            "heard hear read learned",
            rf"^(?:i|we)(?:'ve| have)?(?: just| recently| also)? (?:(?:heard?|read"
            rf"|learned) from (?P<by>[\w'-]+(?: [\w'-]+){{0,2}}?)(?:,? that\b| (?=(?:i|she|he|they|we)\b))"
            rf"|(?:heard?|read)(?: that)?{_BARE_CLAUSE})",
        ),
        moods.cue(
            "told informed said rumor rumour advised supposedly allegedly",
            r"^(?:i|we)(?:'m| am| was| were| are|'re|'ve been| have been)(?: once| recently| just)? (?:told"
            r"|informed|advised) (?!off|about|a\b|the (?:truth|story))|"
            r"^(?:he|she|it|they|[\w'-]+) (?:is|are|was|were)(?: often)? said (?:to|that)\b|^rumou?r has it\b"
            r"|^(?:supposedly|allegedly)\b",
        ),
    ),
    until=(
        moods.cue(
            "until till til through",
            r"^(?!.*\b(?:not|\w+n't|never|no longer|hardly|every|usually|always|normally|each)\b)"
            r"(?!.*\b(?:valid|runs?|lasts?|good|expires?|stands|guaranteed) (?:until|till|through)\b).*?"
            rf"\b(?:(?:un)?till?|'til) (?=(?:at least |about |around |early |late |mid-?|sometime )*"
            rf"(?:the (?:end|beginning|start|middle|summer|winter|spring|fall|autumn|week|month|year|semester"
            rf"|holidays|wedding|baby|move|renovation|\d+(?:st|nd|rd|th))|"
            rf"(?:the )?(?:next|this|following|last) \w+|{_NAMED_DAY}|tomorrow|end of|further notice|then\b|now\b"
            rf"|recently|\d{{1,2}}(?:st|nd|rd|th)? (?:of )?[a-z]{{3,}}|"
            rf"\d{{4}}-\d\d|(?:19|20)\d\d\b))",
        ),
        moods.cue(
            "until till til",
            r"^(?!.*\b(?:not|\w+n't|never|every|usually|always|valid)\b)(?:i|we|he|she|they|my \w+)(?:'m|'re|'s"
            r"| am| are| is| was| were| lived| worked| stayed| keep| kept| stay).*?"
            r"\b(?:(?:un)?till?|'til) (?=(?:i|we|he|she|they|it|my|our|his|her|the) [\w' ]*\w)|"
            r"^(?:i'm|i am|we're|we are) .*?\b(?:until|till) (?=\d)",
        ),
    ),
    stay=(
        moods.cue(
            "now being moment temporarily",
            r"(?<!all )(?<!bye )(?<!enough )(?<!it )\bfor now\b|\bfor the (?:time being|moment)\b"
            r"|\bat the moment\b|\btemporarily\b",
        ),
        moods.cue(
            "temporary",
            r"\btemporary (?:\w+ )?(?:job|flat|apartment|address|number|position|contract|housing|home|place"
            r"|solution|accommodation|phone|email)\b",
        ),
        moods.cue(
            "staying crashing", rf"\b{_BE} (?:currently |just |now )?(?:staying|crashing) (?:with|at|in) (?!home\b)"
        ),
        moods.cue("sitting subletting house", r"\b(?:house-?sitting|subletting|filling in for)\b"),
        moods.cue(
            "visiting holiday vacation leave sabbatical trip",
            r"\b(?:i'm|i am|we're|we are|he's|she's|they're) (?:currently |now |still )?(?:visiting|on (?:a |my "
            r"|our |maternity |paternity |parental |sick |medical |business |work )*(?:holiday|vacation|leave"
            r"|sabbatical|trip))\b",
        ),
        moods.cue(
            "this today tonight",
            r"^(?!.*\b(?:every|years old|birthday)\b)(?=.*\b(?:this (?:week|weekend|month|summer|winter|spring"
            r"|fall|autumn|semester|term|afternoon|morning|evening)|today|tonight)\b)"
            r".*\b(?:i'm|i am|we're|we are|he's|she's|they're|(?:my|our) \w+ is) (?:\w+ly )?(?:working (?!on\b)"
            r"|living|wearing|using|sleeping|covering|in\b|at\b|on\b|off\b|away|out\b|home\b|with\b|not\b|busy"
            r"|sick|ill\b|tired|free\b)",
        ),
        moods.cue("while", r"\bwhile (?:my|our|the) [\w ]+? (?:is|are) being\b"),
        moods.cue(
            "for",
            r"^(?!.*\b(?:(?:have|has|had|haven't|hasn't)\b|\w+'ve\b|every|usually|now\W*$|since"
            r"|each)).*?\b(?:live|lived|living|move|moved|moving|stay|stayed|worked|"
            r"working|went|going|am|\w+'m|'re|are|was|were|\w+'s|is|studied|studying|rented|renting|will be"
            r"|\w+'ll be|be|travell?ed|travell?ing|leaving|left|flying) "
            rf"(?:.*? )?(?:only )?for (?:the (?:next )?(?:summer|winter|weekend|week|month|year|semester"
            rf"|holidays?)|(?P<while>(?:about |around |almost |nearly |only |just |another "
            rf"|the next )?{_COUNT} {_UNIT}))\b(?! (?:now|ago|old))",
        ),
    ),
    planned=(
        moods.cue(
            "will ll shall",
            r"^(?!.*\bsince\b)(?!.*\bfrom now on\b).*?\b(?!(?:my|free|good|his|her|the|their|your|own"
            r"|last) will\b)(?:\w+ will|\w+'ll|\w+ shall)(?: not| also| probably| hopefully| soon| definitely"
            r"| be)? "
            r"(?!never|always|forever|forget|admit|tell you|say\b|be honest|have you know|eat anything|\w+ always"
            r"|do\b)\w+",
        ),
        moods.cue(
            "going gonna",
            rf"{_BE} (?:\w+ly |not |soon )?going to (?!(?:the|a|an|my|our|his|her|their|this|that|school|church"
            rf"|work|bed|college|uni|university|town|therapy|parties|concerts|physio|yoga)\b)\w+|\bgonna\b",
        ),
        moods.cue(
            "planning plan plans intend hoping hope aim thinking considering about decided agreed promised due",
            rf"\b{_BE} (?:\w+ly |still )?(?:planning (?:to|on)|hoping to|about to|thinking (?:of|about) \w+ing"
            rf"|considering \w+ing)\b|\b(?:(?:i|we|they) (?:plan|intend|hope) to|(?:he|she) (?:plans|intends"
            rf"|hopes) to)\b|"
            r"\bplans? (?:is )?to\b",
        ),
        moods.cue(
            "might may",
            r"^(?:i|we|my \w+) (?:might|may) (?:also )?(?:move|go|start|buy|quit|switch|change|study|adopt|leave"
            r"|visit|get|take)\b",
        ),
    ),
    past=(
        moods.cue(
            "",
            r"\b(?:went|did|was|were|had|got|made|met|saw|took|bought|came|gave|wrote|built|told|said|quit|left|lost|ran|won|broke|sold|chose|paid"
            r"|sent|signed|"
            r"(?:have|has|'ve) (?:been|\w+ed|got)|(?!need|speed|indeed|exceed|hundred|wedd|succeed|proceed|sacred"
            r"|naked|used to)\w{3,}ed)\b(?! to (?:move|start|leave|go)\b)",
        ),
    ),
    fixture=(
        moods.cue(
            "is are s",
            r"(?:\bis|\bare|'s) (?:now |still |also |currently |due |set for |scheduled for |planned for )*(?:on "
            r"|at |in |from |by |the |for )*$",
        ),
        moods.cue(
            "expire expires end ends valid due run runs last lasts deadline matures renews",
            r"\b(?:expires?|ends|valid|due|runs?(?: out)?|lasts?|deadline|matures|renews)\b",
        ),
        moods.cue(
            "starts begins opens closes takes leaves departs arrives lands",
            r"^(?!.*\b(?:my|new) job\b)(?:the|our|my|his|her|their|a|an|\w+ \w+)\b.*\b(?:starts|begins|opens"
            r"|closes|takes place|departs|lands)\b",
        ),
    ),
)
