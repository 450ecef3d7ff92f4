"""Makes pyffi/models/emoji.gguf, a small CLIP that was trained on emoji artwork (docs/emoji-model.md)."""
