"""Recognize responses that decline to answer."""

from __future__ import annotations

import re

_REFUSAL = re.compile(
    r"\b(?:sorry|apologi[sz]e|apologies|as an AI|language model|not enough information|(?:do not|don't) know|not sure"
    r"|I (?:cannot|can't|can not)(?! (?:rule out|exclude))|no image (?:was|is|has been)|beyond my (?:capabilities"
    r"|abilities)"
    r"|(?:must|have to) decline|too blurry|text-only model|not allowed to|won't (?:offer|provide|give)"
    r"|(?:cannot|can't|can not|unable to|not able to|(?:im|not )possible to) (?:be )?(?:tell|say|see|view|read"
    r"|determined?|decided?"
    r"|identify|identified|answer(?:ed)?|assist|help|provide|analy[sz]e|assess|diagnose|distinguish|given|interpret"
    r"|look|comply)"
    r"|tut mir leid|leider kann ich|kann (?:ich )?kein|désolé|ne peux pas|lo siento|no puedo|desculpe|não (?:posso"
    r"|consigo)"
    r"|mi dispiace|non posso|не могу)\b|抱歉|对不起|无法|看不到|不能提供|申し訳|できません|죄송|없습니다",
    re.IGNORECASE,
)


def is_refusal(text: str) -> bool:
    """Tell whether a response without an answer declines to give one."""
    return _REFUSAL.search(text) is not None
