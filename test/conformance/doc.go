// Package conformance runs transcripts against a gateway: configuration,
// requests, what the backends answer and see, and the answers that clients get,
// all over real sockets.
//
// A transcript is a file below testdata, named after the section of the
// contract that it covers. Its sections:
//
//	-- config --            the configuration; $A, $B and $C are the addresses of
//	                        scripted backends, $DEAD is one that refuses
//	                        connections, $OWN one for the gateway to listen on
//	                        beside its own, $NATS that of a NATS server, $PUBSUB that
//	                        of a fake of Google Pub/Sub, $SERVICEBUS the connection
//	                        string of a stand-in for Service Bus, $RABBIT that
//	                        of RabbitMQ, which all of them share: $RUN in the name of
//	                        a queue makes it one of this run; $hostA, $hostOWN and so on are the
//	                        same without http://, $portA and so on their ports alone.
//	                        The file is called gateway.json, unless its name
//	                        follows the word
//	-- environment --       variables for the next configuration, KEY=VALUE, with
//	                        blanks or line ends between them
//	-- file NAME --         a file in a folder of the transcript, which $DIR names;
//	                        it is written when its turn comes, so in front of the
//	                        configuration that reads it
//	-- backend A GET /x --  an answer of backend A: status, fields, body. Fields
//	                        that begin with @ are directions: @delay: 50ms,
//	                        @hang: yes, @reset: yes, @cut: 10 (break off after so
//	                        many bytes of the body), @gzip: yes, @chunked: yes,
//	                        @wait: NAME (until another answer says @release: NAME,
//	                        which lets one that waits go; several names wait for
//	                        each of them),
//	                        @pause: 10 NAME (the same after so many bytes of the
//	                        body), @gone: NAME (releases NAME when the gateway
//	                        gives up on the call), @hint: LINK (an interim answer
//	                        103 with it), @trailer: X-A: b (a field behind the
//	                        body). The path * stands for every
//	                        path without an answer of its own
//	-- request --           request line, fields, body; "-- request OWN --" is one
//	                        to $OWN. Directions: @gzip: yes and
//	                        @chunked: yes as above, @got: 10 NAME (releases NAME
//	                        after so many bytes of the answer's body), @leave: NAME
//	                        (closes the connection as soon as NAME is released),
//	                        @end: yes (sends no more after what is written), @pad:
//	                        9000 (a field X-Pad of so many bytes), @ready: yes
//	                        (waits until /__ready is 200, so until what is
//	                        critical is there)
//	-- answer --            status, fields that must be there with these values,
//	                        and the body. "Name:" alone is a field that must not
//	                        be there, "Name: ~ expression" one whose value matches.
//	                        The request_id of a problem is compared with the field
//	                        X-Request-Id and left out. A body is compared as JSON if the answer is
//	                        JSON, unless "@exact: yes" asks for the bytes; no
//	                        blank line leaves the body alone; "@broken: yes" is an
//	                        answer that must break off; "@has: text" is a part
//	                        of the body, as often as needed; "@hint: LINK" and
//	                        "@trailer: X-A: b" are all that came in front of the
//	                        answer and behind its body, sorted, "none" for nothing
//	-- table --             a request and its answer in each line, for many of one kind:
//	                        request line, status, fields and body, with " | "
//	                        between them; "empty" is an empty body
//	-- seen A --            what backend A got since the last look, with --- between requests: request lines
//	                        with fields and body as above, @length and @proto
//	                        among them; "none" for nothing.
//	                        Requests whose body broke off do not count
//	-- problems --          texts that must be among the problems of the
//	                        configuration, one a line; "stops" if it must not
//	                        start, "starts" if it must all the same, "none" if
//	                        there must be no problem at all
//
// The line end in front of the next section belongs to no body. With "@quoted: yes" a
// body is written as a Go string, for bytes that are no text and for one that ends with a
// line: "up 1\n". Everything before the first section says in words what the file shows.
//
// Each key that protects or filters is shown by a transcript that goes another way
// without it: a test takes it out and plays what names it.
package conformance
