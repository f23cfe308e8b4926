namespace Orleans.Training.Protocol.Aggregation;

/// <summary>The rules that tests can switch off one at a time, to show the attack that each one stops. Production has <see cref="Correct"/> and no way to say otherwise.</summary>
internal sealed record MaskRules
{
    public static MaskRules Correct { get; } = new();

    /// <summary>Keys of small order, in a second encoding, or used twice are refused.</summary>
    public bool RefuseWeakKeys { get; init; } = true;

    /// <summary>The own advert in the cohort is the one that was sent.</summary>
    public bool CheckOwnKeys { get; init; } = true;

    /// <summary>Envelope keys and their associated data name sender and receiver.</summary>
    public bool BindEnvelopes { get; init; } = true;

    /// <summary>Shares must match their dealer's leaves: when they arrive and when they are opened.</summary>
    public bool CheckLeaves { get; init; } = true;

    /// <summary>A reconstructed secret must be the one that its dealer committed to.</summary>
    public bool CheckSecrets { get; init; } = true;

    /// <summary>R0: the cohort is large enough for the corruption that is assumed.</summary>
    public bool CheckCohort { get; init; } = true;

    /// <summary>R1: an order names the own context.</summary>
    public bool CheckContext { get; init; } = true;

    /// <summary>R2: one Confirm and one Reveal in an attempt.</summary>
    public bool ConfirmOnce { get; init; } = true;

    /// <summary>R3: every member keeps as many surviving neighbours as the threshold.</summary>
    public bool CheckDegrees { get; init; } = true;

    /// <summary>R3: survivors hang together.</summary>
    public bool CheckConnected { get; init; } = true;

    /// <summary>R4: one kind of share for each peer.</summary>
    public bool OneKind { get; init; } = true;

    /// <summary>R5: survivors are those whose inputs the ledger fixed.</summary>
    public bool RecomputeOrder { get; init; } = true;

    /// <summary>R6: the own input on the ledger is the own input.</summary>
    public bool CheckOwnInput { get; init; } = true;

    /// <summary>R7: enough Confirms are seen before anything is revealed.</summary>
    public bool AwaitConfirms { get; init; } = true;

    /// <summary>R7: what is enough depends on U1, which no fork can change, not on U2.</summary>
    public bool CountOnCohort { get; init; } = true;

    /// <summary>R9: nothing is revealed about a parent that was consumed.</summary>
    public bool ConsumeParents { get; init; } = true;

    /// <summary>Stop when the ledger has an own message that the journal lacks.</summary>
    public bool DetectRollback { get; init; } = true;

    /// <summary>An update is masked once.</summary>
    public bool MaskOnce { get; init; } = true;

    /// <summary>A sum whose canaries are wrong is none.</summary>
    public bool CheckCanaries { get; init; } = true;

    /// <summary>Degree and threshold, where a test or a measurement wants others than those of the cohort's size.</summary>
    public GraphParameters? Shape { get; init; }
}
