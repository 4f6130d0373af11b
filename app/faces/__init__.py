"""Image bytes -> decode -> detect -> quality -> align -> embed, and recognition on top of it."""
