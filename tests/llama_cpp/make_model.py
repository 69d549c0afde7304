"""Makes up a model: a tiny llama with random weights, which answers in random words. usage: make_model.py FILE.gguf"""
import sys

import numpy
from gguf import GGUFWriter, TokenType

EMBEDDING, HEADS, LAYERS, FEED_FORWARD, CONTEXT = 64, 4, 2, 128, 4096
WORDS = (
    "the a of to and in is it you that he was for on are with as his they be at one have this from or had by hot but "
    "some what there we can out other were all your when up use word how said an each she which do their time if will"
).split()

# Every text can be read: what is no word is read by character, or by byte.
tokens = [("<unk>", TokenType.UNKNOWN), ("<s>", TokenType.CONTROL), ("</s>", TokenType.CONTROL)]
tokens += [(f"<0x{byte:02X}>", TokenType.BYTE) for byte in range(256)]
first_word = len(tokens)
tokens += [("\u2581" + word, TokenType.NORMAL) for word in WORDS]
after_words = len(tokens)
tokens += [("\u2581", TokenType.NORMAL)] + [(chr(code), TokenType.NORMAL) for code in range(33, 127)]

file = GGUFWriter(sys.argv[1], "llama")
file.add_name("tiny-random")
file.add_context_length(CONTEXT)
file.add_embedding_length(EMBEDDING)
file.add_block_count(LAYERS)
file.add_feed_forward_length(FEED_FORWARD)
file.add_head_count(HEADS)
file.add_head_count_kv(HEADS)
file.add_layer_norm_rms_eps(1e-5)
file.add_rope_dimension_count(EMBEDDING // HEADS)
file.add_vocab_size(len(tokens))
file.add_file_type(0)
file.add_tokenizer_model("llama")
file.add_tokenizer_pre("default")
file.add_token_list([text for text, _ in tokens])
file.add_token_scores([0.0 if place < first_word else -float(place) for place in range(len(tokens))])
file.add_token_types([int(kind) for _, kind in tokens])
file.add_bos_token_id(1)
file.add_eos_token_id(2)
file.add_unk_token_id(0)
file.add_add_bos_token(True)
file.add_add_space_prefix(True)
file.add_chat_template(
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"
)

random = numpy.random.default_rng(7)


def tensor(*shape, spread=0.1):
    return (random.standard_normal(shape) * spread).astype(numpy.float32)


output = tensor(len(tokens), EMBEDDING, spread=0.5)
output[:first_word] = 0.0  # It says words alone, ...
output[after_words:] = 0.0
output[2] = tensor(EMBEDDING, spread=0.35)  # ... and the end of the text, now and then.
file.add_tensor("token_embd.weight", tensor(len(tokens), EMBEDDING, spread=1.0))
file.add_tensor("output_norm.weight", numpy.ones(EMBEDDING, numpy.float32))
file.add_tensor("output.weight", output)
for layer in range(LAYERS):
    block = f"blk.{layer}."
    file.add_tensor(block + "attn_norm.weight", numpy.ones(EMBEDDING, numpy.float32))
    file.add_tensor(block + "ffn_norm.weight", numpy.ones(EMBEDDING, numpy.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        file.add_tensor(f"{block}{name}.weight", tensor(EMBEDDING, EMBEDDING))
    file.add_tensor(block + "ffn_gate.weight", tensor(FEED_FORWARD, EMBEDDING))
    file.add_tensor(block + "ffn_up.weight", tensor(FEED_FORWARD, EMBEDDING))
    file.add_tensor(block + "ffn_down.weight", tensor(EMBEDDING, FEED_FORWARD))
file.write_header_to_file()
file.write_kv_data_to_file()
file.write_tensors_to_file()
file.close()
