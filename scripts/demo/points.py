"""Landmarks of MediaPipe's face mesh by name, from the subject's right (the picture's left) to the left."""

from __future__ import annotations

from typing import Final

FACE: Final = 468
"""Points of the face without the irises; they come first."""
IRISES: Final = (468, 473)
OVAL: Final = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The face's outline, around."""
UPPER_LIP: Final = (  # rings from outside in, corners included
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
    (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306),
    (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292),
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
)
LOWER_LIP: Final = (
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
    (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306),
    (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
)
UPPER_LIDS: Final = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (362, 398, 384, 385, 386, 387, 388, 466, 263))
LOWER_LIDS: Final = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (362, 382, 381, 380, 374, 373, 390, 249, 263))
CREASES: Final = ((247, 30, 29, 27, 28, 56, 190), (414, 286, 258, 257, 259, 260, 467))
"""Folds above the upper lids."""
BAGS: Final = ((110, 24, 23, 22, 26), (256, 252, 253, 254, 339))
"""Below the lower lids."""
BROWS: Final = (  # tail to head: the upper and the lower edge of the right, then of the left one
    ((70, 63, 105, 66, 107), (46, 53, 52, 65, 55)),
    ((300, 293, 334, 296, 336), (276, 283, 282, 295, 285)),
)
STILL: Final = (  # what no expression here moves: nose, temples, upper outline
    *(6, 197, 195, 5, 4, 1, 2, 48, 278, 98, 327, 122, 351, 196, 419, 236, 456),
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 109, 67, 103, 54, 21, 162, 127, 234, 93),
)
