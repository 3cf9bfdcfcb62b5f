// Package notify tells people of what concerns them: by mail, and by signed webhooks. What there is to
// tell stands in the store, where it is written by whatever causes it; a [Deliverer] gathers it into
// messages and sends them until they are received.
//
// It decides nothing about what is worth telling, and changes nothing but its own messages. Several
// nodes may deliver at once: a message is claimed by one of them. A message may reach its recipient
// twice when a process dies between sending and recording; its id is then the same.
//
// Start at [Deliverer.Run].
package notify
