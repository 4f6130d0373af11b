"""Refuses labels of faces about ethnicity, religion, sexual orientation or health."""

import re

from app.errors import RefusedLabel

_TERMS = {
    "ethnicity": """african arab aryan asian aboriginal black brown caucasian chinese ethnic
        ethnicity european hispanic indian indigenous iranian jewish kurd latina latino mestizo
        mixed-race mongoloid negro nationality persian pakistani pashtun race racial roma russian
        slavic turk turkish white""",
    "religion": """atheist believer buddhist catholic christian hindu islamic jew jewish mormon
        muslim orthodox pagan protestant religion religious secular shia sikh sunni zoroastrian""",
    "sexual orientation": """asexual bisexual gay heterosexual homosexual lesbian lgbt lgbtq queer
        sexuality straight transgender transsexual""",
    "health": """addict addicted aids alcoholic anorexic autism autistic bipolar cancer dementia
        depressed depression diabetic disabled disability diseased healthy hiv ill illness insane
        obese pregnant schizophrenic sick syndrome""",
}
_WORDS = {word: topic for topic, words in _TERMS.items() for word in words.split()}
_AMBIGUOUS = {"black", "brown", "white", "straight"}
_COLOURED_THINGS = {
    *("beard", "beret", "cap", "coat", "dress", "eyebrow", "eyebrows", "eyes", "frame", "glasses"),
    *("hair", "haired", "hat", "headscarf", "jacket", "lips", "moustache", "mustache", "scarf"),
    *("shirt", "suit", "teeth", "tie", "background", "photo"),
}


def refuse_sensitive(*texts: str) -> None:
    """Raises RefusedLabel if a text contains a term of one of these topics.

    Ambiguous terms are allowed next to a word for hair, clothes and other things with colours. The
    list of terms does not detect paraphrases; docs/zero-shot.md states this limit.
    """
    for text in texts:
        words = re.findall(r"[\w-]+", text.lower())
        for word in words:
            topic = _WORDS.get(word) or _WORDS.get(word.removesuffix("s"))
            if topic is None or (word in _AMBIGUOUS and _COLOURED_THINGS & set(words)):
                continue
            raise RefusedLabel(text, topic)
