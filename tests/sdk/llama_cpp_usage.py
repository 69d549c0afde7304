"""Calls of a real model through the gate, by the official clients. usage: llama_cpp_usage.py BASE_URL KEY

Says for each call, in its order, what the server told the client that it used: one JSON object a line."""
import json
import sys

import anthropic
import openai

base, key = sys.argv[1:]
messages = [{"role": "user", "content": "what time is it now and how many of you are there"}]
question = {"model": "any-model", "messages": messages, "max_tokens": 12}
# Not random. Anthropic's client knows no such parameter any more, the server does.
still = {"extra_body": {"temperature": 0}}


def tell(call, usage):
    print(json.dumps({"call": call, **usage.model_dump(exclude_none=True)}))


client = openai.OpenAI(base_url=f"{base}/v1", api_key=key)
answer = client.chat.completions.create(**question, **still)
assert answer.choices[0].message.content, answer
tell("chat", answer.usage)
with_usage = {"stream": True, "stream_options": {"include_usage": True}}
*chunks, last = client.chat.completions.create(**question, **still, **with_usage)
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
assert text == answer.choices[0].message.content, "what is not random is said again"
tell("chat, streamed", last.usage)
tell("responses", client.responses.create(model="any-model", input=messages, max_output_tokens=7).usage)

client = anthropic.Anthropic(base_url=base, api_key=key)
tell("messages", client.messages.create(**question, **still).usage)
with client.messages.stream(**question, **still) as stream:
    final = stream.get_final_message()
assert final.content[0].text == text, final
tell("messages, streamed", final.usage)
print("as expected")
