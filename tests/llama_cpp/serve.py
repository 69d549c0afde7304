"""Serves a model by llama.cpp's own HTTP server until it is told to end. usage: serve.py FILE.gguf"""
import os
import signal
import sys

END = {signal.SIGTERM, signal.SIGINT}
# Before the threads of the server start: they would take the signals, too.
signal.pthread_sigmask(signal.SIG_BLOCK, END)
import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.model_alias = {"tiny-random"}
parameters.hostnames = ["127.0.0.1"]
parameters.port = 0
parameters.n_ctx = 4096
parameters.n_parallel = 2
parameters.n_predict = 256
parameters.cpuparams.n_threads = 1
parameters.n_threads_http = 2
parameters.warmup = False
server = xllamacpp.Server(parameters)
print("ready", server.listening_address, flush=True)
signal.sigwait(END)
os._exit(0)
