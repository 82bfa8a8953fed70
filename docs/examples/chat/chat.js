/**
 * A client of the web socket in a few lines: frames are answered by their ref, a task is followed to its end, and a connection
 * that is lost is opened again, from the last event that was seen.
 */
export const openChat = (url, { onState = () => {} } = {}) => {
  let socket
  let refs = 0
  let closed = false
  const answers = new Map()
  const followed = new Map()

  const send = (frame) => socket.send(JSON.stringify(frame))

  const connect = () => {
    socket = new WebSocket(url)
    socket.onopen = () => {
      onState("connected")
      for (const [task, { after }] of followed) {
        send({ op: "subscribe", ref: ++refs, task, ...(after === undefined ? {} : { after }) })
      }
    }
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data)
      if (frame.event === undefined) {
        const answer = answers.get(frame.ref)
        answers.delete(frame.ref)
        if (frame.ok) answer?.resolve(frame)
        else answer?.reject(new Error(frame.problem.detail ?? frame.problem.title))
        return
      }
      const follower = followed.get(frame.task)
      if (follower === undefined) return
      if (frame.id !== undefined) follower.after = frame.id
      if (frame.event === "end") followed.delete(frame.task)
      follower.onEvent(frame)
    }
    socket.onclose = () => {
      for (const { reject } of answers.values()) reject(new Error("the connection was lost"))
      answers.clear()
      onState("disconnected")
      if (!closed) setTimeout(connect, 1_000)
    }
  }

  const ask = (frame) =>
    new Promise((resolve, reject) => {
      const ref = ++refs
      answers.set(ref, { resolve, reject })
      send({ ref, ...frame })
    })

  connect()
  return {
    /** Submits a task and calls `onEvent` with each of its events, up to `end`. */
    async submit(task, onEvent) {
      const { id } = await ask({ op: "submit", ...task })
      followed.set(id, { onEvent })
      await ask({ op: "subscribe", task: id })
      return { id, cancel: () => ask({ op: "cancel", task: id }) }
    },
    close() {
      closed = true
      socket.close()
    }
  }
}

/**
 * What the page submits for a question: a task of the handler that `?handler=` names, whose input is `{question}`; or, with
 * `?agent=agent.chat&key=user-7`, the message `ask` of that agent, which keeps in mind what was said before.
 */
export const taskOf = (query, question) =>
  query.has("agent")
    ? {
        name: query.get("agent"),
        key: query.get("key") ?? "somebody",
        input: { message: "ask", input: { question } }
      }
    : { name: query.get("handler") ?? "agent.query", input: { question } }

/** The page itself, where there is one. */
if (typeof document !== "undefined") {
  const said = document.querySelector("#said")
  const stop = document.querySelector("#stop")
  const query = new URLSearchParams(location.search)
  const server = query.get("server") ?? location.host
  const ticket = query.get("ticket")
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${server}/v1/ws${ticket === null ? "" : `?ticket=${ticket}`}`
  const chat = openChat(url, {
    onState: (state) => (document.querySelector("#state").textContent = state)
  })
  const line = (of) => {
    const paragraph = document.createElement("p")
    paragraph.className = of
    return said.appendChild(paragraph)
  }
  document.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault()
    const question = event.target.text.value
    event.target.reset()
    line("me").textContent = question
    const answer = line("it")
    const task = taskOf(query, question)
    const onEvent = ({ data, event }) => {
      if (event === "chunk") answer.textContent += typeof data.chunk === "string" ? data.chunk : ""
      else if (event === "attempt") answer.textContent = ""
      else if (event === "end") {
        stop.disabled = true
        if (data.state === "succeeded") answer.textContent ||= "(There is no answer.)"
        else answer.textContent += ` (${data.error?.message ?? data.state})`
      }
    }
    try {
      const { cancel } = await chat.submit(task, onEvent)
      stop.disabled = false
      stop.onclick = cancel
    } catch (error) {
      answer.textContent = error.message
    }
  })
}
