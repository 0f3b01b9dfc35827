"""What the landing zones of all clouds share: names, tags, typed settings, the profile, texts."""
