"""What an application sees that uses the official `anthropic` client. usage: anthropic_client.py BASE_URL GOOD_KEY BAD_KEY"""
import sys
import time

import anthropic

base, good, bad = sys.argv[1:]
question = {"model": "demo-1", "max_tokens": 32, "messages": [{"role": "user", "content": "Who am I?"}]}

# `api_key` and `auth_token` go in different headers, and which header has changed between major versions.
for credential in ({"api_key": good}, {"auth_token": good}):
    client = anthropic.Anthropic(base_url=base, **credential)
    answer = client.messages.create(**question)
    assert "acme" in answer.content[0].text, answer
    assert answer.usage.output_tokens > 0, answer

    with client.messages.stream(**question) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "acme" in text, text
    assert final.usage.output_tokens > 0, final


def refused(kind, code, client):
    start = time.monotonic()
    try:
        client.messages.create(**question)
    except anthropic.APIStatusError as error:
        assert type(error) is kind, repr(error)
        assert error.body["error"]["code"] == code, error.body
        assert error.body["error"]["message"], error.body
        assert bad not in str(error), "the error repeats the key"
    else:
        raise AssertionError(f"{kind.__name__} expected")
    assert time.monotonic() - start < 5, "the client tried again and again"


refused(anthropic.AuthenticationError, "invalid_credential", anthropic.Anthropic(base_url=base, api_key=bad))
refused(anthropic.AuthenticationError, "invalid_credential", anthropic.Anthropic(base_url=base, auth_token=bad))

if int(anthropic.__version__.split(".")[0]) == 0:
    # The old client sends both headers if it has both.
    both = anthropic.Anthropic(base_url=base, api_key=good, auth_token=bad)
    refused(anthropic.BadRequestError, "multiple_credentials", both)
print(f"anthropic {anthropic.__version__}: as expected")
