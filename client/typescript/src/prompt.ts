/** The ways in which a caller may write a conversation. Pure. */

import { create, isMessage } from "@bufbuild/protobuf";
import * as pb from "./proto.js";
import type { Role } from "./words.js";

/** One part of a message. */
export type ContentLike =
  | string
  | { readonly type: "text"; readonly text: string }
  | pb.ContentBlock;
/** One message: a pair of role and text, an object, or the contract's message. */
export type MessageLike =
  | readonly [Role, string]
  | { readonly role: Role; readonly content: string | readonly ContentLike[] }
  | pb.Message;
/** A text, which is the user's one message, or a list of messages. */
export type Prompt = string | readonly MessageLike[];

const ROLES = new Map<unknown, pb.Role>([
  ["user", pb.Role.USER],
  ["assistant", pb.Role.ASSISTANT],
]);

/**
 * Return the messages of a prompt; an empty text is none.
 *
 * @throws TypeError a message is none of `MessageLike`.
 */
export function messagesOf(prompt: Prompt): pb.Message[] {
  if (typeof prompt === "string") return prompt ? [messageOf(["user", prompt])] : [];
  if (!Array.isArray(prompt)) throw new TypeError("a prompt is a text or a list of messages");
  return prompt.map(messageOf);
}

function messageOf(item: MessageLike): pb.Message {
  if (isMessage(item, pb.MessageSchema)) return item;
  const [role, content, ...rest] = parts(item);
  if (content === undefined || rest.length > 0) {
    throw new TypeError('a message is ["user", text], { role, content } or a Message');
  }
  const wireRole = ROLES.get(role);
  if (wireRole === undefined) {
    throw new TypeError(
      `a message's role is "user" or "assistant", not ${JSON.stringify(role)}; a system prompt is the option system`,
    );
  }
  const blocks = Array.isArray(content) ? content : [content];
  return create(pb.MessageSchema, { role: wireRole, content: blocks.map(blockOf) });
}

function parts(item: unknown): unknown[] {
  if (Array.isArray(item)) return typeof item[1] === "string" ? item : [];
  if (typeof item !== "object" || item === null) return [];
  const { role, content, ...rest } = item as Record<string, unknown>;
  return [role, content, ...Object.keys(rest)];
}

function blockOf(part: unknown): pb.ContentBlock {
  if (isMessage(part, pb.ContentBlockSchema)) return part;
  const text = typeof part === "string" ? part : textOf(part);
  if (typeof text !== "string") {
    throw new TypeError('a message\'s content is a text or a list of { type: "text", text }');
  }
  return create(pb.ContentBlockSchema, {
    block: { case: "text", value: { text: wellFormed(text, "a message's text") } },
  });
}

function textOf(part: unknown): unknown {
  if (typeof part !== "object" || part === null) return undefined;
  const { type, text, ...rest } = part as Record<string, unknown>;
  return type === "text" && Object.keys(rest).length === 0 ? text : undefined;
}

/**
 * Return a text that can be sent as it is.
 *
 * @throws TypeError half of a character stands alone in it.
 */
export function wellFormed(text: string, what: string): string {
  if (!text.isWellFormed()) throw new TypeError(`${what} has half a character (a lone surrogate)`);
  return text;
}
