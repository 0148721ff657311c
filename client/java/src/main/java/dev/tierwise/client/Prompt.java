package dev.tierwise.client;

import dev.tierwise.v1.ContentBlock;
import dev.tierwise.v1.Message;
import dev.tierwise.v1.Role;
import dev.tierwise.v1.TextBlock;

import java.util.List;

/**
 * The conversation that a task consists of, the user's message first. Messages are the contract's
 * own; {@link #user} and {@link #assistant} make those of plain text.
 *
 * @param messages the turns, in order
 */
public record Prompt(List<Message> messages) {
    /**
     * Copies the list.
     *
     * @throws IllegalArgumentException a text cannot be sent as it is
     */
    public Prompt {
        messages = List.copyOf(messages);
        for (Message message : messages) {
            for (ContentBlock block : message.getContentList()) {
                Unicode.checked(block.getText().getText(), "a text of the prompt");
            }
        }
    }

    /** Returns a prompt of these messages. */
    public static Prompt of(Message... messages) {
        return new Prompt(List.of(messages));
    }

    /** Returns a prompt of one message of the user's. An empty text is no message. */
    public static Prompt of(String text) {
        return text.isEmpty() ? of() : of(user(text));
    }

    /** Returns a message of the user's. */
    public static Message user(String text) {
        return message(Role.ROLE_USER, text);
    }

    /** Returns a message of the model's. */
    public static Message assistant(String text) {
        return message(Role.ROLE_ASSISTANT, text);
    }

    private static Message message(Role role, String text) {
        TextBlock block = TextBlock.newBuilder().setText(text).build();
        return Message.newBuilder()
                .setRole(role)
                .addContent(ContentBlock.newBuilder().setText(block))
                .build();
    }
}
