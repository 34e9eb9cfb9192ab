// Package azuresbtest is a stand-in for Azure Service Bus: a server of AMQP 1.0 with SASL
// ANONYMOUS, claims put to $cbs whose signatures it recomputes, topics that hand messages on to
// their subscriptions, links with credit that may be drained, and dispositions of a receiver
// that settles second. It is written from the standard and from Microsoft's documents, has no
// code of the library, and is reached over TCP through a proxy that the test can cut, hold
// and stop. It is no emulator: no service was at hand to compare it with. Locks do not run out;
// what a connection holds comes back when that ends.
//
// It is imported by tests only.
//
// Sources: OASIS AMQP 1.0, parts 1 to 5; "AMQP 1.0 in Azure Service Bus and Event Hubs protocol
// guide".
package azuresbtest
