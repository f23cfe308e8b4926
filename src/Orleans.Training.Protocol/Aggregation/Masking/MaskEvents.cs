namespace Orleans.Training.Protocol.Aggregation;

/// <summary>What a participant learns, from blocks that are final and from its own trainer; its host says it, one thing at a time.</summary>
public abstract record MaskEvent;

/// <summary>The attempt is open: take part.</summary>
/// <param name="Secrets">Fresh secrets, handed over.</param>
/// <param name="ConsumedParents">Roots of parents about which the participant confirmed an order before.</param>
public sealed record AttemptOpened(MaskSecrets Secrets, IReadOnlySet<Digest> ConsumedParents) : MaskEvent;

/// <summary>H1: who advertised keys (U1), ascending, and the beacon.</summary>
public sealed record KeysClosed(IReadOnlyList<KeyAdvert> Adverts, MaskBeacon Beacon) : MaskEvent;

/// <summary>A dealer's commitment with its blob, null where it cannot be had.</summary>
public sealed record DealtShares(ShareCommit Commit, ReadOnlyMemory<byte>? Blob);

/// <summary>H2: the dealers that committed to shares; at least the own neighbours among them.</summary>
public sealed record SharesClosed(IReadOnlyList<DealtShares> Dealt) : MaskEvent;

/// <summary>The acknowledgements of all members of U1, in its order; null from who sent none.</summary>
public sealed record AcksClosed(IReadOnlyList<ReadOnlyMemory<byte>?> Acknowledgements) : MaskEvent;

/// <summary>Training is over.</summary>
public sealed record UpdateReady(ReadOnlyMemory<int> Lanes, MaskTail Tail) : MaskEvent;

/// <summary>H3: the inputs that the ledger fixed, and its order.</summary>
/// <param name="Order">The order.</param>
/// <param name="Inputs">The committed inputs.</param>
/// <param name="BlockTimeMs">Time of the newest final block.</param>
/// <param name="DeadlineMs">H4, until when anything may be revealed.</param>
/// <param name="ConsumedParents">As in <see cref="AttemptOpened"/>, as of now.</param>
public sealed record InputsClosed(UnmaskOrder Order, IReadOnlyList<CommittedInput> Inputs, long BlockTimeMs, long DeadlineMs, IReadOnlySet<Digest> ConsumedParents) : MaskEvent;

/// <summary>A Confirm whose signature is good.</summary>
public readonly record struct SignedConfirm(ushort Position, Digest Order);

/// <summary>The Confirms that were seen so far.</summary>
public sealed record ConfirmsSeen(IReadOnlyList<SignedConfirm> Confirms, long BlockTimeMs, long DeadlineMs) : MaskEvent;

/// <summary>H4: the survivors that revealed nothing, ascending, under the order that they were asked by.</summary>
public sealed record SilentClosed(Digest Order, IReadOnlyList<ushort> Silent, long BlockTimeMs, long DeadlineMs) : MaskEvent;

/// <summary>The ledger has a message of the participant's own, of this phase.</summary>
public sealed record OwnMessageSeen(MaskPhase Phase) : MaskEvent;

/// <summary>The attempt is over, one way or another: its secrets are of no more use.</summary>
public sealed record AttemptClosed : MaskEvent;

/// <summary>What a participant says. Each names the newest context that its sender knows.</summary>
/// <param name="Position">The sender.</param>
/// <param name="Context">ctx, ctx1 or ctx2.</param>
public abstract record MaskMessage(ushort Position, Digest Context);

/// <summary>P1.</summary>
public sealed record AdvertiseKeys(ushort Position, Digest Context, KeyAdvert Advert) : MaskMessage(Position, Context);

/// <summary>P2: the commitment, and the blob that it names.</summary>
public sealed record CommitShares(ushort Position, Digest Context, ShareCommit Commit, ReadOnlyMemory<byte> Blob) : MaskMessage(Position, Context);

/// <summary>P2b: a bit for each neighbour in its order, lowest first, set where the edge holds.</summary>
public sealed record AcknowledgeShares(ushort Position, Digest Context, ReadOnlyMemory<byte> Bits) : MaskMessage(Position, Context);

/// <summary>P3: name and length of the masked update; its bytes, null when they were made before a restart: they lie under that name where the host put them.</summary>
public sealed record CommitInput(ushort Position, Digest Context, Digest Root, long Length, ReadOnlyMemory<byte>? Bytes) : MaskMessage(Position, Context);

/// <summary>P3b: this order and no other.</summary>
public sealed record ConfirmOrder(ushort Position, Digest Context, Digest Order) : MaskMessage(Position, Context);

/// <summary>P4a: the own b, and the shares of the seeds of all neighbours that dropped out.</summary>
public sealed record Reveal(ushort Position, Digest Context, Digest Order, ReadOnlyMemory<byte> Self, ShareOpenings Openings) : MaskMessage(Position, Context);

/// <summary>P4b: the shares of b of neighbours that survived and fell silent.</summary>
public sealed record RevealSilent(ushort Position, Digest Context, Digest Order, ShareOpenings Openings) : MaskMessage(Position, Context);
