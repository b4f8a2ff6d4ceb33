"""Texts that are hard on tokenizers."""

from __future__ import annotations

HARD = {
    "plain": "The answer is 42.",
    "empty": "",
    "one token": "a",
    "emoji": "🙂👩\u200d👩\u200d👧🏽 🇨🇳 🧑\u200d🚀 done ✅",
    "chinese": "小明有３个苹果，又买了十二个。现在一共有多少个苹果？答案：15。",
    "arabic": "مرحبا بالعالم، كم عدد التفاحات؟ ١٢٣",
    "hebrew and marks": "שָׁלוֹם עוֹלָם",
    "combining": "e\u0301 u\u0308 A\u030a n\u0303 \u1112\u1161\u11ab \u0915\u094d\u0937\u093f",
    "compatibility": "ﬁ ﬀ ① ℃ Å Ω ½",
    "crlf": "first\r\nsecond\r\n\r\nthird\rfourth\n",
    "white space": "a\t\tb   c \u00a0 d\u3000e  \n  f ",
    "leading space": "  two spaces before",
    "special tokens": "say <|im_end|> and <|endoftext|><|im_start|>user</s><think>x</think>",
    "the eos alone": "<|im_end|>",
    "deepseek specials": "<｜end▁of▁sentence｜> and <｜begin▁of▁sentence｜>",
    "latex": "\\boxed{\\frac{1}{2}} $x^2 + y_{12}$ \\[ \\sum_{i=1}^n i \\]",
    "code": "def f(x):\n    return {'a': [1, 2.5e-10], \"b\": x ** 2}  # __init__\n\n\n",
    "contractions": "don't WE'LL I'M it's they'Re 'twas",
    "digits": "1234567890123456789 3.14159 1,000,000 １２３",
    "controls": "a\x00b\x07c\x1bd\x7fe\x00",
    "invisible": "\ufeffa\u200bb\u200dc\u2028d\u2029e\ufffd",
    "astral": "𝒳𝒴 𐍈 \U0001f9ff\U0010fffd",
    "repeats": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!!!!!!!!!!!!!!!!????....",
    "long": ("Let x be 7 and 小明 says é\u0301 🙂.\n" * 4000)[:100_000],
}

assert len(HARD["long"]) == 100_000
