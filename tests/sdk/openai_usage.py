"""Calls whose tokens the gate counts, by the official `openai` client. usage: openai_usage.py BASE_URL GOOD_KEY BAD_KEY

The order of the calls is the order of the lines that sdk_usage.rs expects."""
import sys

import openai

base, good, bad = sys.argv[1:]
client = openai.OpenAI(base_url=f"{base}/v1", api_key=good)
question = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": 'Say ok, not {"model": "decoy"}.'}]}


def said(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


answer = client.chat.completions.create(**question)
assert answer.choices[0].message.content == "ok", answer
assert answer.usage.prompt_tokens == 11, answer

chunks = list(client.chat.completions.create(**question, stream=True, stream_options={"include_usage": True}))
assert said(chunks) == "ok", chunks
assert chunks[-1].usage.completion_tokens == 7, chunks

# Who does not ask for usage gets none, and neither does the gate: it adds nothing to a request.
chunks = list(client.chat.completions.create(**question, stream=True))
assert said(chunks) == "ok", chunks
assert all(chunk.usage is None for chunk in chunks), chunks

assert client.completions.create(model="davinci", prompt="Say ok").choices[0].text == "ok"
assert client.embeddings.create(model="embed", input="ok").usage.total_tokens == 3

answer = client.responses.create(model="gpt-5", input="Say ok")
assert answer.output_text == "ok", answer
assert answer.usage.output_tokens_details.reasoning_tokens == 8, answer
events = list(client.responses.create(model="gpt-5", input="Say ok", stream=True))
assert events[-1].response.usage.total_tokens == 42, events

try:
    openai.OpenAI(base_url=f"{base}/v1", api_key=bad).chat.completions.create(**question)
except openai.AuthenticationError:
    pass
else:
    raise AssertionError("AuthenticationError expected")
print(f"openai {openai.__version__}: as expected")
