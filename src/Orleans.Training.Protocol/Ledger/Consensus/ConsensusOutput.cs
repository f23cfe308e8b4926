namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// What one input led to. The host appends <paramref name="Writes"/> to its journal first. If the outputs hold a <see cref="SignVote"/> or a
/// <see cref="BlockCommitted"/>, everything written so far must be durable before the first output is acted on; then outputs are taken in order.
/// </summary>
/// <param name="Writes">Records to append, in order; any prefix of them is a consistent journal.</param>
/// <param name="Outputs">What to do then, in order.</param>
public sealed record ConsensusStep(IReadOnlyList<JournalRecord> Writes, IReadOnlyList<ConsensusOutput> Outputs);

/// <summary>One thing that the host must do.</summary>
public abstract record ConsensusOutput;

/// <summary>Sign the vote's preimage with the vote key and give it back as <see cref="VoteSigned"/>; the core then sends it, with its proposal where there is one.</summary>
/// <param name="Vote">The vote, which the guard has admitted.</param>
public sealed record SignVote(Vote Vote) : ConsensusOutput;

/// <summary>Send a message to one seat; it may get lost.</summary>
/// <param name="To">The seat.</param>
/// <param name="Message">The message.</param>
public sealed record SendMessage(int To, ConsensusMessage Message) : ConsensusOutput;

/// <summary>Send a message to every other seat; it may get lost.</summary>
/// <param name="Message">The message.</param>
public sealed record BroadcastMessage(ConsensusMessage Message) : ConsensusOutput;

/// <summary>Give back <see cref="TimerExpired"/> with this token after a duration. A timer is never cancelled: stale tokens are ignored.</summary>
/// <param name="DurationMs">Milliseconds, by a clock that only runs forward.</param>
/// <param name="Token">The token.</param>
public sealed record SetTimer(long DurationMs, ulong Token) : ConsensusOutput;

/// <summary>Give back <see cref="DeadlineReached"/> when the wall clock reaches this time; replaces the last one.</summary>
/// <param name="TimeMs">Milliseconds since 1970 (UTC), or null: no deadline.</param>
public sealed record SetDeadline(long? TimeMs) : ConsensusOutput;

/// <summary>A block is final. In height order, without gaps.</summary>
/// <param name="Executed">The block and the state after it.</param>
/// <param name="Finalization">Proof for this block or for a descendant of it.</param>
public sealed record BlockCommitted(ExecutedBlock Executed, Certificate Finalization) : ConsensusOutput;

/// <summary>
/// The era is over: after this output the host goes on with <see cref="ConsensusCore.Successor()"/>, whose first input is <see cref="Started"/>. It comes behind the
/// <see cref="BlockCommitted"/> of the sealing block, so its finalization is durable: the vote key of the old era may be destroyed now, and the guard begins anew.
/// </summary>
/// <param name="Sealing">The era's last block: the root of the next era.</param>
/// <param name="Final">Its finalization.</param>
/// <param name="Next">The validators of the next era.</param>
public sealed record EraEnded(ExecutedBlock Sealing, Certificate Final, ValidatorSet Next) : ConsensusOutput;

/// <summary>The answer to one submitted transaction.</summary>
/// <param name="Transaction">The transaction.</param>
/// <param name="Rejection">None: it waits for a block (it may have waited already).</param>
public sealed record TransactionChecked(Transaction Transaction, Rejection Rejection) : ConsensusOutput;

/// <summary>A peer is far behind: send it a <see cref="BlocksMessage"/> with final blocks from the store, ascending from this height, as many as fit, and a finalization of the last.</summary>
/// <param name="To">The peer's seat.</param>
/// <param name="FirstHeight">Height of the first block wanted.</param>
public sealed record ServeBlocks(int To, ulong FirstHeight) : ConsensusOutput;

/// <summary>Something is wrong that only people can mend; after some of these the core no longer votes (<see cref="ConsensusCore.Stopped"/>).</summary>
/// <param name="Text">What happened, for the log.</param>
public sealed record RaiseAlarm(string Text) : ConsensusOutput;

/// <summary>A seat has signed two votes that contradict each other. The host keeps the proof; nothing else changes.</summary>
/// <param name="Seat">The seat in the present era.</param>
/// <param name="Evidence">The proof.</param>
public sealed record EvidenceFound(int Seat, Evidence Evidence) : ConsensusOutput;

/// <summary>
/// The vote key has signed something that the guard does not remember. A host whose fence shows that a newer activation owns the store just
/// ends; any other destroys the vote key and fences the seat. The core has stopped voting.
/// </summary>
/// <param name="Evidence">The vote.</param>
public sealed record GuardLost(SignedVote Evidence) : ConsensusOutput;
