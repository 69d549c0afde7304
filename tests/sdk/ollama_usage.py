"""Calls whose tokens the gate counts, by the official `ollama` client. usage: ollama_usage.py BASE_URL GOOD_KEY

The order of the calls is the order of the lines that sdk_usage.rs expects."""
import importlib.metadata
import sys

import ollama

base, good = sys.argv[1:]
client = ollama.Client(host=base, headers={"Authorization": f"Bearer {good}"})
question = {"model": "ll", "messages": [{"role": "user", "content": "Say ok"}]}

answer = client.chat(**question)
assert answer.message.content == "ok", answer
assert (answer.prompt_eval_count, answer.eval_count) == (13, 4), answer
parts = list(client.chat(**question, stream=True))
assert "".join(part.message.content for part in parts) == "ok", parts
assert parts[-1].done and parts[-1].eval_count == 4, parts

assert client.generate(model="ll", prompt="Say ok").response == "ok"
parts = list(client.generate(model="ll", prompt="Say ok", stream=True))
assert "".join(part.response for part in parts) == "ok", parts

assert client.embed(model="nom", input="ok").prompt_eval_count == 3
print(f"ollama {importlib.metadata.version('ollama')}: as expected")
