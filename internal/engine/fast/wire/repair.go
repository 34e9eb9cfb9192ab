package wire

import (
	"bytes"
	"strings"
)

// AnswerHead does as Head for the head of an answer, of which it repairs what
// servers of old send and what has one meaning only: lines that end in a line feed
// alone (RFC 9112, section 2.2), and folded ones (section 5.2), but for those that
// frame the message. [ResponseHead.Parse] repairs the rest.
func (r *Reader) AnswerHead(l Limits) (string, error) {
	if !r.loose {
		head, err := r.Head(l)
		if err != errLineFeed && err != errFolded {
			return head, err
		}
		r.loose, r.scanned, r.begun = true, 0, 0
	}
	b := r.Buffered()
	for {
		feed := bytes.IndexByte(b[r.scanned:], '\n')
		end := r.scanned + feed + 1
		if feed < 0 {
			end = len(b)
		}
		if l.HeadBytes > 0 && (end > l.HeadBytes || feed < 0 && end == l.HeadBytes) {
			return "", tooLarge(b[:l.HeadBytes])
		}
		r.scanned = end
		if feed < 0 {
			return "", nil
		}
		line := bytes.TrimSuffix(b[r.begun:end-1], []byte{'\r'})
		r.begun = end
		if len(line) > 0 {
			continue
		}
		head, err := repaired(string(b[:end]), l)
		r.r += end
		r.loose, r.scanned, r.begun = false, 0, 0
		return head, err
	}
}

// repaired returns a head with lines that end as they must, and none of them
// folded.
func repaired(head string, l Limits) (string, error) {
	folds := strings.Count(head, "\n ") + strings.Count(head, "\n\t")
	if l.Fields > 0 && strings.Count(head, "\n")-folds-2 > l.Fields {
		return "", &Error{Status: 431, Reason: "too many fields"}
	}
	var b strings.Builder
	b.Grow(len(head) + len(head)/8)
	field := "" // the line that a fold would go on with
	for n := 0; ; n++ {
		line, rest, _ := strings.Cut(head, "\n")
		line = strings.TrimSuffix(line, "\r")
		head = rest
		for i := range len(line) {
			if c := line[i]; c < ' ' && c != '\t' || c == 0x7f {
				return "", bad("a control character in the head")
			}
		}
		switch {
		case line == "" && n == 0:
			return "", bad("the message begins with an empty line")
		case line == "":
			b.WriteString("\r\n\r\n")
			return b.String(), nil
		case line[0] != ' ' && line[0] != '\t':
			if n > 0 {
				b.WriteString("\r\n")
				line = strings.TrimRight(line, " \t")
				field = line
			}
			b.WriteString(line)
			continue
		}
		name, _, _ := strings.Cut(field, ":")
		switch name, more := strings.ToLower(trim(name)), trim(line); {
		case name == "" || more == "":
			return "", errFolded // nothing to go on with, or what others take for the end of the head
		case name == "content-length" || name == "transfer-encoding" || name == "connection":
			return "", bad("a folded line that frames the message")
		default:
			b.WriteByte(' ')
			b.WriteString(more)
		}
	}
}
