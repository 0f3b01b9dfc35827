"""What every emulator of a cloud stands on."""
