"""Calls whose tokens the gate counts, by the official `google-genai` client. usage: google_usage.py BASE_URL GOOD_KEY

The order of the calls is the order of the lines that sdk_usage.rs expects."""
import sys

from google import genai

base, good = sys.argv[1:]
client = genai.Client(api_key=good, http_options=genai.types.HttpOptions(base_url=base))
question = {"model": "gemini-x", "contents": "Say ok"}

answer = client.models.generate_content(**question)
assert answer.text == "ok", answer
assert answer.usage_metadata.total_token_count == 45, answer

chunks = list(client.models.generate_content_stream(**question))
assert "".join(chunk.text for chunk in chunks) == "ok", chunks
assert chunks[-1].usage_metadata.thoughts_token_count == 10, chunks

# It counts tokens, and uses none.
assert client.models.count_tokens(**question).total_tokens == 14
print(f"google-genai {genai.__version__}: as expected")
