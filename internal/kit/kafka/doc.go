// Package kafka is what the gateway knows of Kafka and of whoever else speaks its protocol:
// publishers that wait for the word of all replicas in sync, members of consumer groups whose
// deliveries are ended once, and the driver kafka:// of package queue.
//
// A [Cluster] is read from its addresses in build, and opens a [Publisher] or a [Subscriber]
// of package queue, which survive reloads while nothing of what shapes them has changed.
// Publishers of a cluster share a client, and so do those who subscribe as the same group to
// the same topics.
//
//	c, err := kafka.NewCluster(&s.Site, kafka.Options{Brokers: []string{"queue.internal:9092"}})
//	p, err := c.Publisher(kafka.Publishing{Topic: "orders"})
//	err = queue.Attend(&s.Site, name, critical, p)
//
// # Connections
//
// A client of franz-go lives as long as any broker of its cluster can be reached, and goes
// from one broker to another by itself: a connection that is cut, or a leader that moves,
// delays messages and fails none. The client is asked for a broker whenever it says that a
// connection was lost or not made, and from time to time. If there is none the client is
// thrown away, which ends at once whoever waits for it, and kit/live makes another; so there
// are no two who reconnect.
//
// So it is with what a client never gets over: a batch that is larger than the gateway takes
// or that cannot be read, and a topic that was deleted and made again. One line says so, the
// health is no longer ready, and the next client tries again; the records of other partitions
// come in between. The health is not ready in between either, until a client has lasted.
//
// # Publishers
//
// Records go out with acks=all, idempotently, and Publish returns when the leader has said
// that they are in the log: nil then. What the cluster refuses by a word that means that the
// record is nowhere is [queue.Refused], and any other end, such as that of the client, is
// [queue.Lost]. A record whose caller has left is not sent if it has not been yet. What waits
// in the client is bounded, and publishing fails at once when there is no room.
//
// # Subscribers
//
// Records of a partition are handed out in order, to as many as ask. The offset that is
// committed is that behind the last record in front of which all have ended: Ack returns when
// the commit that covers its record is made, or at once if it has to wait for a record
// before it, which will commit both. Nack with requeue commits nothing and keeps the record in
// this process, for the next who asks; if the partition goes to another member, that one
// gets it. Nack without requeue is Ack: Kafka has no dead letters.
//
// A subscriber is ready when the group has given it partitions, or none, and it is known where
// they are read from.
//
// A group that begins with what comes commits the end of a partition when it gets it for the
// first time, so that nothing behind is skipped while the gateway is away.
//
// A partition of which 1,000 records are not committed, since one in front of them has not
// ended, is not read until there are 500: somebody who never ends a record stops its
// partition, and costs no memory. What nobody has taken is 100 records or 64 MiB, and what
// comes with one question, 128 MiB at most if it was compressed, while more are not asked for.
// Of the headers of a record 1,000 are attributes.
//
// When partitions go to another member, what has ended is committed, and deliveries that have
// not are void: their Ack is an error, and the new member gets their records again, and
// with them those behind that were acknowledged. [queue.Message.Redelivered] counts
// deliveries by this process; the cluster does not tell of others.
//
// # Trust
//
// What brokers send is read within limits, whoever has produced it. An answer has 16 MiB at
// most (a broker is asked for 1 MiB, and sends a batch that is larger), and eight brokers at a
// time have one that is not read yet. A compressed batch is opened while those that are open
// have less than 32 MiB of memory. By itself it has 128 MiB at most, and 512 MiB with what
// becomes of its records, which is what one of 16 MiB that was never compressed may need: so
// what a client has opened is 544 MiB at most, however small it was. Batches that there is no
// memory for are asked for again. Compressed batches of the formats from before Kafka 0.11 are not read.
//
// Sources: the protocol of Kafka (kafka.apache.org/protocol), KIP-98 (idempotence), KIP-429
// (cooperative rebalancing), KIP-82 (headers).
package kafka
