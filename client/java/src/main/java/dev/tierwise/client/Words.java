package dev.tierwise.client;

import com.google.protobuf.ProtocolMessageEnum;

/** The contract's words, without the prefix that they have on the wire. */
final class Words {
    private static final String UNSPECIFIED = "UNSPECIFIED";

    private Words() {}

    /** Returns the word that a number on the wire stands for; UNSPECIFIED for what is not known. */
    static <W extends Enum<W>> W word(Class<W> words, ProtocolMessageEnum value) {
        String zero = value.getDescriptorForType().findValueByNumber(0).getName();
        String prefix = zero.substring(0, zero.length() - UNSPECIFIED.length());
        String name = ((Enum<?>) value).name();
        return named(words, name.startsWith(prefix) ? name.substring(prefix.length()) : name);
    }

    /** Returns the word of this name; UNSPECIFIED for one that is not known. */
    static <W extends Enum<W>> W named(Class<W> words, String name) {
        for (W word : words.getEnumConstants()) {
            if (word.name().equals(name)) {
                return word;
            }
        }
        return Enum.valueOf(words, UNSPECIFIED);
    }
}
