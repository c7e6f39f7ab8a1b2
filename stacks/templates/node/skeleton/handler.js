// Answers a request; what is returned goes back to the caller.
module.exports = async (event, context) => {
  return `Hello! You said: ${event.body}`
}
