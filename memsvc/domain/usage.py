"""What calls of language models cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REFINE: Final = "refine"
SUMMARISE: Final = "summarise"
JUDGE: Final = "judge"
CONNECT: Final = "connect"
IDENTIFY: Final = "identify"
ANSWER: Final = "answer"
SAME: Final = "same"
PLAN: Final = "plan"
CHAT: Final = "chat"
READ_AHEAD: Final = "read_ahead"
# Those that jobs take, and that can wait.
BACKGROUND: Final = (REFINE, SUMMARISE, JUDGE, CONNECT, IDENTIFY)


@dataclass(frozen=True, slots=True)
class Usage:
    """Of some calls: how many there were, how many of them failed, their tokens as the models counted them, and how
    long they took together, in seconds.
    """

    calls: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens
