"""The tasks of the bench for Celery, and a submitter that is told over its stdin how many to submit."""
import json
import os
import sys

from celery import Celery

url = os.environ["BENCH_REDIS"]
app = Celery("bench", broker=url, backend=url)
app.conf.update(
    # At least once, as its peers here promise it.
    task_acks_late=True,
    worker_prefetch_multiplier=4,
    result_expires=3600,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop(data):
    return 1


if __name__ == "__main__":
    print("ready", flush=True)
    for line in sys.stdin:
        inputs = json.loads(line)
        with app.producer_pool.acquire(block=True) as producer:
            for data in inputs:
                noop.apply_async(args=[data], producer=producer)
        print(len(inputs), flush=True)
