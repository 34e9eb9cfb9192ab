// Package awstest is a stand-in for services of AWS: a server that recomputes the signature
// of each request from the request itself (Signature Version 4) and refuses, as AWS does,
// what is not signed with [Key] and [Secret]. It has no code of the SDK. It is no emulator:
// what is answered behind the signature the test says, or [Queues] for SQS and SNS.
package awstest
