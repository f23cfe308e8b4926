namespace Orleans.Training.Protocol.Ledger;

/// <summary>One thing that happened to a validator. Every input carries the host's clock, so the core needs none.</summary>
/// <param name="NowMs">The host's clock, milliseconds since 1970 (UTC).</param>
public abstract record ConsensusInput(long NowMs);

/// <summary>The host is ready: the first input, exactly once.</summary>
/// <param name="NowMs">The host's clock.</param>
public sealed record Started(long NowMs) : ConsensusInput(NowMs);

/// <summary>A message from a peer, for which <see cref="MessageVerifier"/> has said yes.</summary>
/// <param name="NowMs">The host's clock.</param>
/// <param name="From">The peer's seat: answers go there.</param>
/// <param name="Message">The message.</param>
public sealed record MessageReceived(long NowMs, int From, ConsensusMessage Message) : ConsensusInput(NowMs);

/// <summary>The signature that <see cref="SignVote"/> asked for; given only after everything written so far was durable.</summary>
/// <param name="NowMs">The host's clock.</param>
/// <param name="Vote">The vote, signed with this validator's vote key.</param>
public sealed record VoteSigned(long NowMs, SignedVote Vote) : ConsensusInput(NowMs);

/// <summary>A timer that <see cref="SetTimer"/> asked for has run out.</summary>
/// <param name="NowMs">The host's clock.</param>
/// <param name="Token">The timer's token.</param>
public sealed record TimerExpired(long NowMs, ulong Token) : ConsensusInput(NowMs);

/// <summary>The host's clock has reached the time that <see cref="SetDeadline"/> named.</summary>
/// <param name="NowMs">The host's clock.</param>
public sealed record DeadlineReached(long NowMs) : ConsensusInput(NowMs);

/// <summary>Clients hand in transactions; each is answered by a <see cref="TransactionChecked"/>.</summary>
/// <param name="NowMs">The host's clock.</param>
/// <param name="Transactions">The transactions, parsed once by the host.</param>
public sealed record TransactionsSubmitted(long NowMs, IReadOnlyList<Transaction> Transactions) : ConsensusInput(NowMs);
