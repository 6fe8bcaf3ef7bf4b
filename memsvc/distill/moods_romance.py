"""The words by which Spanish, French, Portuguese and Italian mark what is not plainly asserted."""

from __future__ import annotations

import re

from memsvc.distill import moods

_ES_INF = r"\w+[aeií]r(?:me|te|se|nos|lo|la)?\b"
SPANISH = moods.Mood(
    lead=re.compile(
        r"[¿¡]?(?:(?:y|pero|bueno|pues|sí|no|hola|oye|vale|ok|entonces|ah)\b(?:[,!.]\s*)(?=\w)|(?:y|pero"
        r"|pues) )*"
    ),
    asks=(moods.cue("puedes podrías puede podría", r"^¿?(?:me )?(?:puedes|podrías|puede usted|podría usted)\b"),),
    request=(
        moods.cue("favor", r"^por favor,?\s+(?!no\b|nunca|siempre|recuerda que|sin\b|solo\b|nada\b|ningun)"),
        moods.cue(
            "dime dame ayúdame explícame muéstrame recuérdame hazme envíame cuéntame escríbeme búscame",
            r"^(?:dime|dame|ayúdame|explícame|muéstrame|recuérdame|hazme|envíame|cuéntame|escríbeme"
            r"|búscame)\b(?! que soy)",
        ),
        moods.cue(
            "resume explica escribe haz busca",
            r"^(?:resume|explica|escribe|haz|busca) (?:esto|este|esta|un|una|el siguiente|la siguiente)\b",
        ),
        moods.cue("quiero necesito", r"^(?:quiero|necesito) que (?:me |lo |la )(?!\w+o\b)\w+(?:as|es)\b"),
    ),
    lasting=(
        moods.cue("siempre nunca ahora adelante", r"\b(?:siempre|nunca|de ahora en adelante|a partir de ahora)\b"),
    ),
    real=(
        moods.cue("como", r"\bcomo si\b"),
        moods.cue("gustaría encantaría preferiría querría", r"\b(?:gustaría|encantaría|preferiría|querría)n?\b"),
        moods.cue(
            "si",
            r"\bsi (?:no me equivoco|mal no recuerdo|necesitas|quieres|te interesa|importa|bien|es posible)\b"
            r"|\b(?:sé|saber|pregunt\w+) si\b",
        ),
    ),
    unreal=(
        moods.cue(
            "si",
            r"\bsi\b.*\b(?!(?:pre|se|com|re|dis)para|clara|rara|cualquiera|quiera|mascara)(?:\w{2,}(?:ara"
            r"|ase(?<!clase)(?<!frase))|\w+(?:iera|iese|jera|yera|tuviera)|fuera|fuese)(?:s|n|mos)?\b|"
            r"\bsi\b.*\b\w+ría(?:s|n|mos)?\b|\b\w+ría(?:s|n|mos)?\b.* si\b|^si (?:yo )?.*\b(?!qu[eé]"
            r"|p[eé]ro)\w+[aei]ré\b|^si .*, (?:me )?voy a\b",
        ),
        moods.cue(
            "imagina imagínate imaginemos supongamos supón digamos",
            r"^(?:imagina|imagínate|imaginemos|supongamos|supón|digamos) que\b",
        ),
        moods.cue("ojalá", r"^ojalá\b"),
        moods.cue("novela cuento sueño soñé", r"\ben (?:la novela|el cuento|mi sueño|un sueño)\b|\bsoñé que\b"),
    ),
    reported=(
        moods.cue(
            "dijo dice dicho contó comentó afirma asegura cree decía escribió piensa",
            moods.BY_OR_NOT
            + r"(?:(?:me|nos|le) )?(?:dijo|dice|ha dicho|contó|comentó|afirma|asegura|cree|decía|escribió"
            r"|piensa)(?: \w+)? ?(?:que\b|:|,? ?" + moods.QUOTE + ")",
        ),
        moods.cue("según", r"^según (?P<by>(?:(?:mi|el|la|los|las|su) )?[\w-]+)"),
        moods.cue("dicen dijeron dicho oído", r"^dicen que\b|^me (?:han dicho|dijeron) que\b|^he oído que\b"),
    ),
    until=(
        moods.cue(
            "hasta",
            r"(?<!^)\bhasta (?=(?:el|la) (?:lunes|martes|miércoles|jueves|viernes|sábado|domingo|fin|final|próxim"
            r"|semana|mes|año|verano|invierno|otoño|primavera|\d)|"
            r"fin(?:al|ales)? de|mañana|enero|febrero|marzo|abril|mayo|junio|julio|agosto|sep|octubre|noviembre"
            r"|diciembre|que (?:me|mi|yo|encuentre|termine)|\d+ de|" + moods.YEARS + ")",
        ),
    ),
    stay=(
        moods.cue(
            "ahora momento temporalmente mientras provisionalmente",
            r"\b(?:por ahora|de momento|por el momento|temporalmente|provisionalmente|mientras tanto)\b",
        ),
        moods.cue(
            "por durante",
            r"^(?!.*\b(?:he|ha|hemos|han|llevo) ).*\b(?:por|durante) (?:una?|dos|tres|cuatro|cinco|seis|unos|unas"
            r"|\d+) (?:días?|semanas?|mes(?:es)?|años?)\b",
        ),
    ),
    planned=(
        moods.cue("voy vamos va van", r"\b(?:voy|vamos|va|van) a " + _ES_INF),
        moods.cue(
            "planeo pienso pensado punto planeamos",
            r"\b(?:planeo|planeamos|pienso|tengo pensado|a punto de) " + _ES_INF,
        ),
        moods.cue(
            "",
            r"^(?:(?:yo|me|nos) |.*\b(?:mañana|próxim[oa]|año que viene)\b.* )?(?!mir|retir|esper|prepar|compar"
            r"|separ|gir|tir|oper|super|respir|admir|recuper|queremos|par)\w+[aei]r(?:é|emos)\b",
        ),
    ),
    past=(moods.cue("", r"\b(?:he|ha|hemos|han|había|fui|fue|era|estaba|\w{2,}(?:é|ó|aba|aron|ieron))\b"),),
    fixture=(
        moods.cue("es son", r"\b(?:es|son) (?:\w+ )?(?:el|en|a)? ?$"),
        moods.cue("caduca vence termina acaba expira", r"\b(?:caduca|vence|termina|acaba|expira)\b"),
    ),
)

FRENCH = moods.Mood(
    lead=re.compile(
        r"(?:(?:et|mais|alors|donc|bon|oui|non|salut|bonjour|ok|ah)\b(?:[,!.]\s*)(?=\w)|(?:et|mais|alors"
        r"|donc) )*"
    ),
    asks=(
        moods.cue(
            "peux pouvez pourrais pourriez",
            r"^(?:peux-tu|pouvez-vous|pourrais-tu|pourriez-vous|tu peux|tu pourrais|vous pouvez)\b",
        ),
    ),
    request=(
        moods.cue(
            "plaît plait svp stp",
            r"^(?:s'il (?:te|vous) pla[iî]t|svp|stp),?\s+(?!pas\b|ne\b|n'|jamais|toujours|sans\b)",
        ),
        moods.cue(
            "moi résume résumez explique expliquez traduis écris écrivez aide aidez",
            r"^(?:aide|aidez|donne|donnez|dis|dites|rappelle|rappelez|montre|montrez|explique|expliquez|fais"
            r"|faites|trouve|trouvez|envoie|envoyez|raconte|racontez|écris|écrivez)-moi\b|"
            r"^(?:résumez?|expliquez?|écris|écrivez) (?:ce|cet|cette|ça|le|la|les|un|une|pourquoi|comment)\b",
        ),
        moods.cue("veux voudrais", r"^je (?:veux|voudrais) que (?:tu|vous)\b"),
    ),
    lasting=(
        moods.cue(
            "toujours jamais désormais maintenant",
            r"\b(?:toujours|jamais|désormais|dorénavant|à partir de maintenant)\b",
        ),
    ),
    real=(
        moods.cue("comme", r"\bcomme si\b"),
        moods.cue("aimerais voudrais préférerais", r"\b(?:aimerais|voudrais|préférerais|aimerions|voudrions)\b"),
        moods.cue(
            "si s",
            r"\b(?:si|s'il) (?:je (?:ne )?(?:me trompe|me souviens)|vous (?:voulez|avez besoin)|tu (?:veux"
            r"|as besoin)|possible|nécessaire|le faut|ça)|\b(?:sais|savoir|demande) s[i']",
        ),
    ),
    unreal=(
        moods.cue(
            "si s",
            r"\b(?:si |s'il).*\b\w{2,}(?:rais|rait|rions|raient)\b|\b\w{2,}(?:rais|rait|rions|raient)\b.* s(?:i "
            r"|'il)|"
            r"^si (?:seulement|(?:je|j'|on|nous|mon|ma)\b ?(?:\w+ )?(?:n'|m'|me |ne )?(?:étais|était|avais|avait"
            r"|avions|habitais|habitait|vivais|travaillais|pouvais|allais|gagnais|devais|\w+geais|\w{3,}lais"
            r"|\w{3,}tais))\b|"
            r"^si (?:je|j'|nous|on)\b.*\bje \w+rai\b|^si (?:je|j').*\bje vais \w+(?:er|ir|re)\b",
        ),
        moods.cue(
            "imagine imaginez imaginons suppose supposons admettons disons supposer",
            r"^(?:imaginez?|imaginons|supposez?|supposons|admettons|disons|à supposer) (?:que|qu')",
        ),
        moods.cue("roman rêve histoire rêvé", r"\bdans (?:le roman|mon rêve|un rêve|l'histoire)\b|\bj'ai rêvé que\b"),
    ),
    reported=(
        moods.cue(
            "dit raconté expliqué écrit affirme pense croit prétend disait",
            moods.BY
            + r" (?:(?:m'a|nous a|lui a|a) (?:dit|raconté|expliqué|écrit)|(?:me |nous )?(?:dit|affirme|pense|croit"
            r"|prétend|disait)) ?(?:que\b|qu'|:|,? ?" + moods.QUOTE + ")",
        ),
        moods.cue("selon après", r"^(?:selon|d'après) (?P<by>(?:(?:mon|ma|mes|le|la|les|son|sa) |l')?[\w-]+)"),
        moods.cue("dit paraît entendu", r"^on m'a dit|^il paraît qu|^on dit qu|^j'ai entendu (?:dire )?qu"),
    ),
    until=(
        moods.cue(
            "jusqu",
            r"\bjusqu'(?:à (?=la fin|demain|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|ce qu|présent"
            r"|maintenant|fin|l'été|l'automne|noël)|"
            r"(?:en|au|aux?) |à (?=janv|févr|mars|avril|mai\b|juin|juil|août|sept|oct|nov|déc))",
        ),
    ),
    stay=(
        moods.cue(
            "instant moment temporairement provisoirement attendant",
            r"\b(?:pour l'instant|pour le moment|en ce moment|temporairement|provisoirement|en attendant)\b",
        ),
        moods.cue(
            "pour pendant",
            r"\b(?:pour|pendant) (?:une?|deux|trois|quatre|cinq|six|quelques|\d+) (?:jours?|semaines?|mois|ans?"
            r"|années?)\b",
        ),
    ),
    planned=(
        moods.cue(
            "vais va allons vont",
            r"\b(?:je vais|on va|nous allons|va|vont) (?:me |m'|nous |se |s'|en |y |bientôt )?\w+(?:er|ir|re"
            r"|oir)\b",
        ),
        moods.cue("je j nous", r"\b(?:je |j'|je m'|je me )\w+rai\b|\bnous (?:nous )?\w+rons\b"),
        moods.cue(
            "compte prévois prévoyons intention point",
            r"\b(?:je compte|nous comptons|prévois de|prévoyons de|l'intention (?:de|d')|sur le point (?:de|d'))",
        ),
    ),
    past=(moods.cue("", r"\b(?:ai|a|avons|avez|ont|étais|était|avait)\b"),),
    fixture=(
        moods.cue("est sont", r"\b(?:est|sont) (?:\w+ )?(?:le|en|à)? ?$"),
        moods.cue("expire finit termine", r"\b(?:expire|finit|termine)\b"),
    ),
)

PORTUGUESE = moods.Mood(
    lead=re.compile(r"(?:(?:e|mas|então|bom|sim|não|olá|oi|ok|ah)\b(?:[,!.]\s*)(?=\w)|(?:e|mas|então) )*"),
    asks=(moods.cue("pode poderia podes podias", r"^(?:você |me )?(?:pode|poderia|podes|podias)(?:-me)?\b"),),
    request=(
        moods.cue("favor", r"^por favor,?\s+(?!não\b|nunca|sempre|lembre(?:-se)? que|sem\b|só\b|nada\b|nenhum)"),
        moods.cue(
            "me",
            r"^(?:me (?:ajude|ajuda|diga|diz|dê|mostre|lembre|explique|conte)|(?:ajude|ajuda|diga|diz|dê|dá"
            r"|mostre|mostra|lembre|lembra|explique|explica|conte|envie|envia)-me)\b",
        ),
        moods.cue(
            "resuma explique escreva faça crie",
            r"^(?:resuma|explique|escreva|faça|crie) (?:isto|isso|este|esta|o|a|um|uma|por que|como)\b",
        ),
        moods.cue("quero preciso", r"^(?:quero|preciso) que (?:você|tu|me)\b"),
    ),
    lasting=(moods.cue("sempre nunca agora", r"\b(?:sempre|nunca|a partir de agora|daqui em diante)\b"),),
    real=(
        moods.cue("como", r"\bcomo se\b"),
        moods.cue(
            "gostaria adoraria preferiria preferia", r"\b(?:gostaria|adoraria|preferiria|preferia|gostaríamos)\b"
        ),
        moods.cue(
            "se",
            r"\bse (?:não me engano|bem me lembro|(?:você )?precisar|(?:você )?quiser|possível|necessário)\b"
            r"|\b(?:sei|saber|pergunt\w+) se\b",
        ),
    ),
    unreal=(
        moods.cue(
            "se",
            r"\bse\b.*\b(?!disse|nesse|desse|classe|passe|posse|interesse|esse)\w{2,}(?:asse|esse|isse|osse)(?:s"
            r"|m|mos)?\b|\bse\b.*\bfosse(?:m|mos)?\b|"
            r"\bse\b.*\b\w{2,}ria(?:m|mos)?\b|\b\w{2,}ria(?:m|mos)?\b.* se\b|^se (?:eu|nós|a gente)\b.*\b(?:vou"
            r"|vamos|\w+[aei]rei)\b",
        ),
        moods.cue(
            "imagine imagina suponha supor suponhamos digamos",
            r"^(?:imagin[ea]|suponha|vamos supor|suponhamos|digamos) que\b",
        ),
        moods.cue("quem oxalá tomara", r"^(?:quem me dera|oxalá|tomara que)\b"),
        moods.cue(
            "romance sonho história sonhei", r"\b(?:no (?:romance|meu sonho)|num sonho|na história)\b|\bsonhei que\b"
        ),
    ),
    reported=(
        moods.cue(
            "disse diz contou falou afirma acha acredita escreveu pensa dizia",
            moods.BY_OR_NOT
            + r"(?:(?:me|nos|lhe) )?(?:disse|diz|contou|falou|afirma|acha|acredita|escreveu|pensa|dizia)(?:-me"
            r"|-nos)? ?(?:que\b|:|,? ?" + moods.QUOTE + ")",
        ),
        moods.cue(
            "segundo acordo", r"^(?:segundo|de acordo com) (?P<by>(?:(?:(?:o|a) )?(?:meu|minha) |os? |as? )?[\w-]+)"
        ),
        moods.cue("dizem disseram ouvi", r"^dizem que\b|^(?:me disseram|disseram-me) que\b|^ouvi dizer que\b"),
    ),
    until=(
        moods.cue(
            "até",
            r"(?<!^)\baté (?=(?:o|a|ao|à) (?:fim|final|próxim|semana|mês|ano|verão|inverno|outono|primavera|natal"
            r"|dia \d)|"
            r"(?:segunda|terça|quarta|quinta|sexta|sábado|domingo|amanhã|janeiro|fevereiro|março|abril|maio|junho"
            r"|julho|agosto|setembro|outubro|novembro|dezembro)|"
            r"(?:ao )?fim d|agora\b|que eu|eu\b|\d+ de|" + moods.YEARS + ")",
        ),
    ),
    stay=(
        moods.cue(
            "enquanto agora momento temporariamente provisoriamente",
            r"\b(?:por enquanto|por agora|de momento|neste momento|no momento|temporariamente|provisoriamente)\b",
        ),
        moods.cue(
            "por durante",
            r"\b(?:por|durante) (?:uma?|dois|duas|três|quatro|cinco|seis|alguns|algumas|\d+) (?:dias?|semanas?"
            r"|m[eê]s(?:es)?|anos?)\b",
        ),
    ),
    planned=(
        moods.cue("vou vamos vai vão", r"\b(?:vou|vamos|vai|vão) (?:me |te |se )?\w+[aeiôo]r(?:-\w+)?\b"),
        moods.cue("irei farei", r"\b(?:irei|farei)\b"),
        moods.cue("eu mudarei começarei", r"\beu (?:me )?\w+[aei]rei\b|\b(?:mudarei|começarei)\b"),
        moods.cue(
            "pretendo pretendemos planejo prestes penso",
            r"\b(?:pretendo|pretendemos|planejo|prestes a|penso em) \w+r\b",
        ),
    ),
    past=(
        moods.cue("", r"\b(?:fui|foi|fomos|era|estava|tinha|\w{3,}(?:ei|ava|aram|eram|iram)|marcou|comprou|mudou)\b"),
    ),
    fixture=(
        moods.cue("é são", r"\b(?:é|são) (?:\w+ )?(?:n[oa]|em)? ?$"),
        moods.cue("vence expira termina acaba", r"\b(?:vence|expira|termina|acaba)\b"),
    ),
)

ITALIAN = moods.Mood(
    lead=re.compile(r"(?:(?:e|ma|allora|beh|sì|no|ciao|ok|ah)\b(?:[,!.]\s*)(?=\w)|(?:e|ma|allora) )*"),
    asks=(moods.cue("puoi potresti può potrebbe", r"^(?:mi )?(?:puoi|potresti|può|potrebbe)\b"),),
    request=(
        moods.cue(
            "favore prego cortesia",
            r"^(?:per (?:favore|cortesia)|ti prego),?\s+(?!non\b|mai\b|sempre|ricorda che|senza\b|solo\b|niente\b"
            r"|nessun)",
        ),
        moods.cue(
            "spiegami scrivimi aiutami dimmi dammi ricordami mostrami trovami mandami fammi raccontami",
            r"^(?:spiegami|scrivimi|aiutami|dimmi|dammi|ricordami|mostrami|trovami|mandami|fammi|raccontami)\b",
        ),
        moods.cue(
            "riassumi spiega scrivi crea trova",
            r"^(?:riassumi|spiega|scrivi|crea|trova) (?:questo|questa|il|lo|la|i|un|una|perché|come)\b",
        ),
        moods.cue("voglio vorrei", r"^(?:voglio|vorrei) che (?:tu|lei|mi)\b"),
    ),
    lasting=(moods.cue("sempre mai ora poi", r"\b(?:sempre|mai|d'ora in (?:poi|avanti)|da ora in poi)\b"),),
    real=(
        moods.cue("come", r"\bcome se\b"),
        moods.cue("vorrei preferirei piacerebbe vorremmo", r"\b(?:vorrei|preferirei|piacerebbe|vorremmo)\b"),
        moods.cue(
            "se",
            r"\bse (?:non (?:sbaglio|erro)|ben ricordo|ricordo bene|hai bisogno|vuoi|possibile|necessario)\b"
            r"|\b(?:so|sapere|chied\w+) se\b",
        ),
    ),
    unreal=(
        moods.cue(
            "se",
            r"\bse\b.*\b(?!interesse|spesse?|disse|scrisse|visse|tasse|classe|masse|casse|basse|stesse|stessi"
            r"|messi|essi|bassi|tassi)"
            r"(?:\w{2,}(?:assi|essi|issi|asse|esse|isse|assimo|essimo|issimo|assero|essero)|fossi|fosse"
            r"|fossimo)\b|"
            r"\bse\b.*\b\w{2,}(?:rei|rebbe|remmo|rebbero)\b|\b\w{2,}(?:rei|rebbe|remmo|rebbero)\b.* se\b"
            r"|^se (?!però).*\b\w{2,}[aei]rò\b",
        ),
        moods.cue(
            "immagina immaginiamo supponiamo supponi mettiamo poniamo diciamo",
            r"^(?:immagina(?:te)?|immaginiamo|supponiamo|supponi|mettiamo|poniamo|diciamo) (?:che|di)\b",
        ),
        moods.cue(
            "romanzo sogno storia sognato",
            r"\b(?:nel (?:romanzo|mio sogno|sogno)|in un sogno|nella storia)\b|\bho sognato (?:che|di)\b",
        ),
    ),
    reported=(
        moods.cue(
            "detto dice diceva disse raccontato sostiene pensa crede scritto",
            moods.BY_OR_NOT
            + r"(?:(?:(?:mi|ci|gli|le) )?ha (?:detto|raccontato|scritto)|(?:mi |ci )?(?:dice|diceva|disse|sostiene"
            r"|pensa|crede)) ?(?:che\b|di\b|:|,? ?" + moods.QUOTE + ")",
        ),
        moods.cue("secondo", r"^secondo (?P<by>(?:(?:(?:il|la) )?(?:mio|mia) |il |la |lo |i |le |l')?(?!me\b)[\w-]+)"),
        moods.cue(
            "detto dicono dice sentito", r"^mi hanno detto\b|^dicono che\b|^si dice che\b|^ho sentito (?:dire )?che\b"
        ),
    ),
    until=(
        moods.cue(
            "fino",
            r"\bfino (?:a|al|alla|all'|ad) ?(?=fine|inizio|metà|prossim|lunedì|martedì|mercoledì|giovedì|venerdì"
            r"|sabato|domenica|domani|gennaio|febbraio|marzo|"
            r"aprile|maggio|giugno|luglio|agosto|settembre|ottobre|novembre|dicembre|estate|inverno|natale|quando"
            r"|ora\b|\d{1,2} [gfmalsond]|" + moods.YEARS + ")",
        ),
    ),
    stay=(
        moods.cue(
            "ora adesso momento temporaneamente provvisoriamente frattempo",
            r"\b(?:per (?:ora|adesso|il momento)|al momento|temporaneamente|provvisoriamente|nel frattempo)\b",
        ),
        moods.cue(
            "per",
            r"\bper (?:un|una|un'|due|tre|quattro|cinque|sei|qualche|\d+) ?(?:giorn[oi]|settiman[ae]|mes[ei]"
            r"|ann[oi])\b",
        ),
    ),
    planned=(
        moods.cue(
            "andrò farò sarò avrò vivrò verrò potrò dovrò", r"\b(?:andrò|farò|sarò|avrò|vivrò|verrò|potrò|dovrò)\b"
        ),
        moods.cue(
            "io mi trasferirò trasferiremo comincerò inizierò",
            r"\b(?:io|mi) \w{2,}[ei]rò\b|\b(?:ci )?(?:trasferiremo|comincerò|inizierò)\b",
        ),
        moods.cue("intenzione sto programma penso", r"\b(?:ho intenzione di|sto per|ho in programma di|penso di) \w+"),
    ),
    past=(moods.cue("", r"\b(?:ho|ha|hanno|abbiamo|ero|era|eravamo|stat[oa]|andat[oa])\b"),),
    fixture=(
        moods.cue("è sono", r"\b(?:è|sono) (?:\w+ )?(?:il|in|a)? ?$"),
        moods.cue("scade finisce termina", r"\b(?:scade|finisce|termina)\b"),
    ),
)
