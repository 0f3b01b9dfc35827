"""What a user writes: steps, pipelines, and the values between them."""
