"""What an application sees that uses the official `openai` client. usage: openai_client.py BASE_URL GOOD_KEY BAD_KEY"""
import sys
import time

import openai

base, good, bad = sys.argv[1:]
question = {"model": "demo-1", "messages": [{"role": "user", "content": "Who am I?"}]}

client = openai.OpenAI(base_url=f"{base}/v1", api_key=good)
answer = client.chat.completions.create(**question)
assert "acme" in answer.choices[0].message.content, answer
assert answer.usage.total_tokens > 0, answer
assert client.models.list().data[0].id == "demo-1"

chunks = list(client.chat.completions.create(**question, stream=True, stream_options={"include_usage": True}))
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
assert "acme" in text, text
assert chunks[-1].usage.total_tokens > 0, chunks[-1]

azure = {"azure_endpoint": base, "api_version": "2024-10-21"}
answer = openai.AzureOpenAI(**azure, api_key=good).chat.completions.create(**question)
assert "acme" in answer.choices[0].message.content, answer


def refused(kind, code, client):
    start = time.monotonic()
    try:
        client.chat.completions.create(**question)
    except openai.APIStatusError as error:
        assert type(error) is kind, repr(error)
        assert error.code == code, (error.code, error.body)
        assert error.body["message"], error.body
        assert bad not in str(error), "the error repeats the key"
    else:
        raise AssertionError(f"{kind.__name__} expected")
    assert time.monotonic() - start < 5, "the client tried again and again"


refused(openai.AuthenticationError, "invalid_credential", openai.OpenAI(base_url=f"{base}/v1", api_key=bad))
refused(openai.AuthenticationError, "invalid_credential", openai.AzureOpenAI(**azure, api_key=bad))
refused(openai.NotFoundError, "unknown_endpoint", openai.OpenAI(base_url=f"{base}/v9", api_key=good))
print(f"openai {openai.__version__}: as expected")
