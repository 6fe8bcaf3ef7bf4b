"""The words by which German and Dutch mark what is not plainly asserted."""

from __future__ import annotations

import re

from memsvc.distill import moods

GERMAN = moods.Mood(
    lead=re.compile(r"(?:(?:und|aber|also|ja|nein|ok|okay|hallo|hey|hi|ach|na)\b[,!.\s]+)*"),
    asks=(
        moods.cue(
            "kannst können könntest könnten würdest würden",
            r"^(?:kannst|könntest|würdest) du\b|^(?:können|könnten|würden) sie\b",
        ),
    ),
    request=(
        moods.cue("bitte", r"^bitte,?\s+(?!nicht|nie|immer|kein|merk|denk|beacht|nur\b)"),
        moods.cue(
            "mir uns mich das den die diesen dieses diesem ein eine einen bitte meine meinen mein zusammen",
            r"^(?:übersetz|erklär|schreib|hilf|gib|zeig|erinner|sag|erzähl|fass|nenn|mach|such|find|schick|bring"
            r"|erstell)e?"
            r" (?:mir|uns|mich|das|den|die|diese[nmsr]?|eine?n?|bitte|meine?n?)\b",
        ),
        moods.cue("dass", r"^ich (?:möchte|will|brauche),? dass (?:du|sie)\b"),
    ),
    lasting=(
        moods.cue(
            "immer nie niemals künftig zukunft ab jedes",
            r"\b(?:immer|nie(?:mals)?|künftig|in zukunft|ab (?:jetzt|sofort)|jedes mal)\b",
        ),
    ),
    real=(
        moods.cue("als", r"\bals (?:ob|wenn)\b"),
        moods.cue("gern gerne lieber möchte", r"\b(?:würden?|hätten?|möchten?) (?:\w+ )?(?:gerne?|lieber)\b"),
        moods.cue(
            "falls wenn",
            r"\b(?:falls|wenn) (?:du|sie|ihr|nötig|möglich|ich mich (?:richtig|recht))\b(?![^,]*\b(?:wäre|hätte"
            r"|würde))",
        ),
    ),
    unreal=(
        moods.cue(
            "wenn falls sofern",
            r"\b(?:wenn|falls|sofern)\b.*\b(?:würd|wär|hätt|könnt|müsst|käm|ging|zög|blieb|gäb|wüsst)e(?:st|n"
            r"|t)?\b|"
            r"\b(?:würd|wär|hätt|könnt|müsst|käm|zög|gäb|wüsst)e(?:st|n|t)?\b.*\b(?:wenn|falls|sofern)\b|"
            r"^(?:wenn|falls) (?:ich|wir)\b.*\bwerden? (?:ich|wir)\b|^falls (?:ich|wir|meine?)\b",
        ),
        moods.cue(
            "angenommen stell nehmen stellen gesetzt",
            r"^(?:angenommen|stell(?:t|en sie)? (?:dir|euch|sich) (?:mal )?vor|stellen wir uns vor"
            r"|nehmen wir (?:mal )?an|gesetzt den fall)\b",
        ),
        moods.cue("wünschte", r"\bich wünschte\b"),
        moods.cue("wäre hätte würde", r"^(?:wäre|hätte|würde) ich\b"),
        moods.cue(
            "roman traum geschichte rollenspiel",
            r"\b(?:im (?:roman|traum|rollenspiel)|in (?:meinem|einem) traum|in der geschichte)\b",
        ),
    ),
    reported=(
        moods.cue(
            "sagt sagte erzählt erzählte meint meinte behauptet behauptete schrieb schreibt glaubt gesagt erzählt",
            moods.BY + r" (?:sagte?|erzählte?|meinte?|behauptete?|schr(?:ie|ei)bt?|glaubt)(?: (?:zu )?(?:mir"
            r"|uns))?\s*(?:[,:]|"
            + moods.QUOTE
            + ")|"
            + moods.BY.replace("<by>", "<by_then>")
            + r" (?:hat|habe|hatte)(?: (?:mir|uns))?(?: \w+){0,2} (?:gesagt|erzählt|geschrieben)\s*[,:]",
        ),
        moods.cue("laut", r"^laut (?P<by>(?:(?:meine[rmn]?|de[rmn]|dem|einer|einem) )?[\w-]+)"),
        moods.cue(
            "angeblich heißt mir gehört",
            r"\bangeblich\b|^es heißt, |^mir wurde (?:gesagt|erzählt)"
            r"|^ich habe (?:von (?P<by>[\w-]+(?: [\w-]+)?) )?gehört, dass\b",
        ),
    ),
    until=(
        moods.cue(
            "bis",
            r"(?<!^)\bbis (?=ende|anfang|mitte|zum|zur|nächst|übernächst|morgen|(?:mon|diens|donners|frei|sams"
            r"|sonn)tag|mittwoch|"
            r"jan|feb|märz|april|mai|jun|jul|aug|sep|okt|nov|dez|(?:der|die|das|ich|wir|mein\w*) [^.]*(?:ist|bin"
            r"|sind|habe|haben|finde|kommt)\b|"
            r"\d{1,2}\. ?[jfmasond\d]|" + moods.YEARS + ")",
        ),
    ),
    stay=(
        moods.cue(
            "vorübergehend zurzeit zeit momentan moment vorerst fürs einstweilen vorläufig",
            r"\b(?:vorübergehend|zurzeit|zur zeit|momentan|im moment|vorerst|fürs erste|einstweilen|vorläufig)\b",
        ),
        moods.cue(
            "für",
            r"\b(?:bin|war|zog|ziehe|ging|gehe|wohne|wohnte|bleibe|blieb|gezogen|lebte|lebe"
            r"|fahre)\b.*\bfür (?:ein|eine|einen|zwei|drei|vier|fünf|sechs|ein paar|einige|\d+) (?:tage?|wochen?"
            r"|monate?|jahre?)\b|"
            r"\bfür (?:eine?n?|zwei|drei|vier|fünf|sechs|ein paar|\d+) (?:tage?|wochen?|monate?"
            r"|jahre?)\b.*\b(?:gezogen|gegangen|zu besuch)\b",
        ),
    ),
    planned=(
        moods.cue("werde werden", r"\b(?:ich werde|werde ich|wir werden|werden wir)\b.*\b\w+(?:en|rn|ln)\W*$"),
        moods.cue(
            "vor plane planen kurz",
            r"\b(?:ich habe|habe ich|wir haben) vor\b|\b(?:plane|planen)\b.*\bzu\b|\bkurz davor\b",
        ),
    ),
    past=(moods.cue("", r"\b(?:habe|hat|haben|hatten?|war|waren|wurden?|ge\w{3,}(?:t|en))\b"),),
    fixture=(
        moods.cue("ist sind", r"\b(?:ist|sind) (?:\w+ )?(?:am|im|um|ab)? ?$"),
        moods.cue("läuft endet gilt verfällt", r"\b(?:läuft|endet|gilt|verfällt)\b"),
    ),
)

DUTCH = moods.Mood(
    lead=re.compile(r"(?:(?:en|maar|dus|ja|nee|hoi|hallo|ok|oké|nou)\b(?:[,!.]\s*)(?=\w)|(?:en|maar|dus) )*"),
    asks=(moods.cue("kun kan kunt zou wil", r"^(?:kun|kan|zou|wil) (?:je|jij)\b|^(?:kunt|zou|wilt) u\b"),),
    request=(
        moods.cue("alsjeblieft alstublieft", r"^als(?:je|tu)blieft,?\s+(?!niet|geen|nooit|altijd|onthoud|alleen)"),
        moods.cue(
            "mij me dit deze de het een dat mijn ons",
            r"^(?:vat|leg|schrijf|help|geef|toon|herinner|vertel|zeg|noem|maak|zoek|stuur|laat) (?:mij|me|ons|dit"
            r"|deze|de|het|een|dat|mijn)\b",
        ),
        moods.cue("dat", r"^ik (?:wil|wou) (?:graag )?dat (?:je|jij|u)\b"),
    ),
    lasting=(moods.cue("altijd nooit voortaan nu", r"\b(?:altijd|nooit|voortaan|vanaf nu)\b"),),
    real=(
        moods.cue("graag liever willen", r"\bzou(?:den)? (?:\w+ )?(?:graag|liever|willen)\b"),
        moods.cue(
            "als", r"\bals (?:je|jij|u|het (?:kan|mag|nodig)|mogelijk|ik me niet vergis|ik het goed heb|kind|klein)\b"
        ),
    ),
    unreal=(
        moods.cue(
            "als indien mocht",
            r"\b(?:als|indien|mocht) (?:ik|we|wij|hij|zij|ze|het|mijn)\b.*\b(?:zou|zouden)\b|\b(?:zou"
            r"|zouden)\b.*\b(?:als|indien) (?:ik|we|wij|hij|ze|het|mijn)\b|^mocht ik\b|"
            r"^(?:als|indien) (?:ik|we|wij)\b.*\b(?:zal|zullen|ga|gaan) (?:ik|we|wij)\b",
        ),
        moods.cue("stel", r"^stel(?: je (?:eens )?voor)?,? (?:dat|ik|we)\b"),
        moods.cue("wou wilde maar", r"\bik (?:wou|wilde) dat ik\b|^(?:was|had|woonde) ik maar\b"),
        moods.cue(
            "roman droom verhaal droomde", r"\bin (?:de roman|mijn droom|een droom|het verhaal)\b|\bik droomde dat\b"
        ),
    ),
    reported=(
        moods.cue(
            "zei zegt gezegd verteld vertelde beweert denkt schreef",
            moods.BY + r" (?:(?:zei|zegt|vertelde|beweert|denkt|schreef)(?: (?:me|mij|ons|tegen me|tegen mij))?"
            r"|heeft (?:(?:me|mij|ons) )?(?:gezegd|verteld)) ?(?:,? ?dat\b|:|,? ?" + moods.QUOTE + ")",
        ),
        moods.cue("volgens", r"^volgens (?P<by>(?:(?:mijn|de|het|een) )?(?!mij\b|me\b)[\w-]+)"),
        moods.cue(
            "gehoord zegt gezegd",
            r"^ik heb (?:van (?P<by>[\w-]+(?: [\w-]+)?) )?gehoord dat\b|^men zegt dat\b|^er wordt gezegd dat\b",
        ),
    ),
    until=(
        moods.cue(
            "tot",
            r"(?<!^)\btot (?=eind|begin|half|(?:het|de) (?:einde?|zomer|winter|herfst|lente|week)|volgend|morgen"
            r"|(?:maan|dins|donder|vrij|zater|zon)dag|woensdag|januari|februari|maart|"
            r"april|mei|juni|juli|augustus|september|oktober|november|december|ik\b|nu toe|\d{1,2} [jfmasond]|"
            + moods.YEARS
            + ")",
        ),
    ),
    stay=(
        moods.cue(
            "voorlopig tijdelijk moment momenteel", r"\b(?:voorlopig|tijdelijk|op (?:dit|het) moment|momenteel)\b"
        ),
        moods.cue(
            "voor gedurende",
            r"\b(?:voor|gedurende) (?:een|twee|drie|vier|vijf|zes|een paar|enkele|\d+) (?:dag|dagen|week|weken"
            r"|maand|maanden|jaar|jaren)\b",
        ),
    ),
    planned=(
        moods.cue("ga gaan gaat", r"\b(?:ga|gaan|gaat) \b.*\b\w+en\W*$"),
        moods.cue("zal zullen", r"\b(?:ik|we|wij) (?:zal|zullen)\b|\b(?:zal ik|zullen we)\b"),
        moods.cue("plan punt", r"\b(?:van plan|plan om|op het punt)\b"),
    ),
    past=(moods.cue("", r"\b(?:heb|heeft|hebben|had|hadden|was|waren|werd|werden|ge\w{2,}(?:d|t|en))\b"),),
    fixture=(
        moods.cue("is zijn", r"\b(?:is|zijn) (?:\w+ )?(?:op|in|om)? ?$"),
        moods.cue("verloopt eindigt loopt", r"\b(?:verloopt|eindigt|loopt af)\b"),
    ),
)
