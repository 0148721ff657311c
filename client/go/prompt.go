package tierwise

import (
	"errors"
	"unicode/utf8"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// Message is one turn of a conversation, as the contract has it. [User] and [Assistant] make those of plain text.
type Message = tierwisev1.Message

// Prompt is the conversation that a task consists of, the user's message first: [Text], or a list of messages.
type Prompt []*Message

// Text returns a prompt of one message of the user's. An empty text is no message.
func Text(text string) Prompt {
	if text == "" {
		return nil
	}
	return Prompt{User(text)}
}

// User returns a message of the user's.
func User(text string) *Message { return textMessage(tierwisev1.Role_ROLE_USER, text) }

// Assistant returns a message of the model's.
func Assistant(text string) *Message { return textMessage(tierwisev1.Role_ROLE_ASSISTANT, text) }

func textMessage(role tierwisev1.Role, text string) *Message {
	block := &tierwisev1.ContentBlock_Text{Text: &tierwisev1.TextBlock{Text: text}}
	return &Message{Role: role, Content: []*tierwisev1.ContentBlock{{Block: block}}}
}

func (p Prompt) check() error {
	for _, message := range p {
		if message == nil {
			return errors.New("tierwise: a message of the prompt is nil")
		}
		for _, block := range message.GetContent() {
			if !utf8.ValidString(block.GetText().GetText()) {
				return errors.New("tierwise: a text of the prompt is not UTF-8")
			}
		}
	}
	return nil
}
