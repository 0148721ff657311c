package dev.tierwise.client;

/** Whether a draft's text is sent before it is accepted. */
public enum DraftDelivery {
    /** A draft's text comes once the draft is accepted, never if it is superseded. The default. */
    HELD(dev.tierwise.v1.DraftDelivery.DRAFT_DELIVERY_HELD),
    /** A draft's text comes at once, marked provisional; void if the draft is superseded. */
    LIVE(dev.tierwise.v1.DraftDelivery.DRAFT_DELIVERY_LIVE);

    final dev.tierwise.v1.DraftDelivery onTheWire;

    DraftDelivery(dev.tierwise.v1.DraftDelivery onTheWire) {
        this.onTheWire = onTheWire;
    }
}
