"""Every figure we publish, measured by a script.

python -m benchmarks             the driver: CPU, latency and throughput beside the peer's constants
python -m benchmarks.crash       kill -9 at random moments under load: nothing acknowledged may be lost
python -m benchmarks.open_calls  a thousand agents with a model call open at once
python -m benchmarks.appends     a hundred appends at once to one missing block
python -m benchmarks.long_history
                                 a message to an agent of 10,000 messages; what each mode of compaction costs
python -m benchmarks.extraction  what the local extractor finds of a hand-written gold set

processes   starts servers and reads their CPU and memory
peers.json  the peer's figures, with version and conditions
"""
