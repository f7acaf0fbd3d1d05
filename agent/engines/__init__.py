"""The engines behind one shape each: voice activity, recognizer, turn, language model, voice."""
