"""Whose matter a statement is, where its first words say so: "My sister lives in Oslo" is none of mine.

Closed words for kin and for people who live or work beside one; of no other person is there just one matter of a kind.
Whom one has in a role (a doctor, a landlord, a partner) is a matter of one's own, and not here.
"""

from __future__ import annotations

import functools
import re

# How many of the first words name whom it is about ("Yesterday my oldest sister …").
_FIRST_WORDS = 4
_FIRST_CHARACTERS = 6
_WORD = re.compile(r"[^\W\d_]+")
_UNSPACED = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
# One line a language: English, German, French, Spanish, Italian, Portuguese, Dutch, Russian, Polish, Turkish.
_PEOPLE = frozenset(
    """mother mom mum father dad parents sister brother siblings daughter cousin aunt uncle nephew niece grandmother
    grandma grandfather grandpa grandson granddaughter neighbour neighbor neighbours neighbors flatmate housemate
    roommate friend friends colleague colleagues coworker coworkers
    mutter mama vater papa eltern schwester bruder geschwister sohn tochter cousine tante onkel neffe nichte oma opa
    großmutter großvater nachbar nachbarin nachbarn mitbewohner mitbewohnerin freund freundin freunde kollege kollegin
    mère père sœur soeur frère fils fille oncle neveu nièce voisin voisine voisins colocataire ami amie amis collègue
    collègues
    madre padre padres hermana hermano hijo hija tía tío sobrino sobrina abuela abuelo vecino vecina vecinos compañero
    compañera amigo amiga amigos colega
    sorella fratello figlio figlia genitori cugina cugino zia zio nipote nonna nonno vicino vicina vicini coinquilino
    coinquilina amico amica amici collega
    mãe pai irmã irmão filho filha tia tio sobrinho sobrinha avó avô vizinho vizinha vizinhos
    moeder vader ouders zus zusje broer zoon dochter neef oom buurman buurvrouw buren huisgenoot vriend vriendin
    мама мать отец папа родители сестра брат сын дочь тётя тетя дядя бабушка дедушка сосед соседка соседи друг подруга
    коллега
    matka tata ojciec rodzice siostra brat syn córka ciocia wujek babcia dziadek sąsiad sąsiadka współlokator przyjaciel
    przyjaciółka kolega koleżanka
    annem babam kardeşim ablam ağabeyim oğlum kızım teyzem halam amcam dayım komşum arkadaşım""".split()
)
# French and Spanish have another word that is spelt like it.
_SON = re.compile(r"\b(?:my|our)(?: \w+)? (son)\b", re.IGNORECASE)
_UNSPACED_PEOPLE = re.compile(
    "妈妈|媽媽|母亲|爸爸|父亲|父母|姐姐|妹妹|哥哥|弟弟|儿子|女儿|表哥|表姐|阿姨|叔叔|奶奶|爷爷|外婆|外公|邻居|室友|朋友|同事|"
    "お母さん|お父さん|両親|お姉さん|お兄さん|姉|妹|兄|弟|母|父|息子|娘|いとこ|おば|おじ|祖母|祖父|隣人|友達|友人|同僚"
)


@functools.lru_cache(maxsize=200_000)
def named(text: str) -> frozenset[str]:
    """The people by whom the first words say whose matter it is; empty where it is the speaker's own, or nobody's."""
    if _UNSPACED.search(text):
        return frozenset(_UNSPACED_PEOPLE.findall(text[:_FIRST_CHARACTERS]))
    first = _words(text)[:_FIRST_WORDS]
    return frozenset(first) & _PEOPLE | frozenset(_SON.findall(" ".join(first)))


def differs(one: str, other: str) -> bool:
    """Whether one is about somebody of whom the other says nothing."""
    return _is_left_out(one, other) or _is_left_out(other, one)


def _is_left_out(one: str, other: str) -> bool:
    people = named(one)
    if not people:
        return False
    if _UNSPACED.search(other):
        return not any(person in other for person in people)
    return people.isdisjoint(_words(other))


@functools.lru_cache(maxsize=200_000)
def _words(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(text.replace("\u2019", "'")))
