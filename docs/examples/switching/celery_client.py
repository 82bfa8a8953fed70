"""What was resize.apply_async(…): stored once, however often it is said with one key."""
import json
import urllib.request


def apply_async(api, name, input, key, **options):
    body = json.dumps({"name": name, "input": input, "idempotencyKey": key, **options})
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{api}/v1/tasks", body.encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["id"]


def get(api, task):  # AsyncResult(task).get(timeout=30); raises HTTPError 424 where the task failed
    with urllib.request.urlopen(f"{api}/v1/tasks/{task}/result?waitMs=30000", timeout=40) as answer:
        return json.load(answer) if answer.status == 200 else None
