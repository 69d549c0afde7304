"""Calls whose tokens the gate counts, by the official `anthropic` client. usage: anthropic_usage.py BASE_URL GOOD_KEY

The order of the calls is the order of the lines that sdk_usage.rs expects."""
import sys

import anthropic

base, good = sys.argv[1:]
client = anthropic.Anthropic(base_url=base, api_key=good)
conversation = {"model": "claude-x", "messages": [{"role": "user", "content": "Say ok"}]}
question = {**conversation, "max_tokens": 32}

answer = client.messages.create(**question)
assert answer.content[0].text == "ok", answer
assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == (20, 300), answer

with client.messages.stream(**question) as stream:
    final = stream.get_final_message()
assert final.content[0].text == "ok", final
assert final.usage.output_tokens == 9, final

# The same API at another path: /v1/messages?beta=true.
events = list(client.beta.messages.create(**question, stream=True))
assert events[-1].type == "message_stop", events

# It counts tokens, and uses none.
assert client.messages.count_tokens(**conversation).input_tokens == 14
print(f"anthropic {anthropic.__version__}: as expected")
