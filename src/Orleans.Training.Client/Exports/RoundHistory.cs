using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Client.Exports;

/// <summary>A verdict, and the block that carries it.</summary>
internal readonly record struct Verdict(long Height, ParticipantId Actor, bool Ok, Digest Work);

/// <summary>What a validator said about the images of updates in a proposed sum, and the block that carries it.</summary>
internal readonly record struct ToldImages(long Height, ParticipantId Actor, IReadOnlyList<(int Position, ReadOnlyMemory<byte> Image)> Images);

/// <summary>What the executed blocks say about rounds that their last state no longer says: when things happened, and who attested what.</summary>
internal sealed class RoundHistory
{
    private readonly Dictionary<Digest, List<Verdict>> _verdicts = [];
    private readonly Dictionary<Digest, List<ToldImages>> _images = [];
    private readonly Dictionary<Digest, long> _proposals = [];
    private readonly Dictionary<Digest, long> _agreements = [];
    private readonly Dictionary<(Digest Agreement, int Round), long> _publications = [];
    private readonly Dictionary<(Digest Agreement, int Round), long> _entries = [];
    private readonly Dictionary<(Digest Agreement, int Round), ValidatorSet> _validators = [];
    private readonly Dictionary<Digest, ValidatorSet> _sets = [];

    /// <summary>The validators after the newest block.</summary>
    public ValidatorSet Newest { get; private set; } = null!;

    /// <summary>The newest published model.</summary>
    public ModelRecord? Last { get; private set; }

    /// <summary>The file of the block in which an agreement was proposed.</summary>
    public string BlockOf(Digest agreement) => ExportLayout.Block(_agreements[agreement]);

    /// <summary>The file of the block in which a round was published.</summary>
    public string BlockOf(ModelRecord model) => ExportLayout.Block(_publications[(model.Agreement, model.Round)]);

    /// <summary>The index of the leaf whose transaction published a round.</summary>
    public long EntryOf(ModelRecord model) => _entries[(model.Agreement, model.Round)];

    /// <summary>The validators of the era in which a round was published, and so opened.</summary>
    public ValidatorSet ValidatorsOf(ModelRecord model) => _validators[(model.Agreement, model.Round)];

    /// <summary>The file of the block in which an aggregate was proposed.</summary>
    public string BlockOf(Proposal proposal) => ExportLayout.Block(_proposals[proposal.Digest]);

    /// <summary>What was said about a proposal; its digest names run, round and attempt too.</summary>
    public IReadOnlyList<Verdict> VerdictsOn(Digest proposal) => _verdicts.GetValueOrDefault(proposal) ?? [];

    /// <summary>The images of updates that were told about a proposal.</summary>
    public IReadOnlyList<ToldImages> ImagesOf(Digest proposal) => _images.GetValueOrDefault(proposal) ?? [];

    public void Append(ExecutedBlock executed)
    {
        var height = (long)executed.Block.Header.Height;
        var state = LedgerState.Of(executed);
        Newest = _sets[state.Validators.Digest] = state.Validators;
        foreach (var (position, item) in state.Events.SelectMany((events, position) => events.Select(item => (position, item))))
        {
            if (item is { Type: "AgreementProposed", Record: AgreementRecord agreement }) _agreements[agreement.Digest] = height;
            if (item is not { Type: "ModelPublished", Record: ModelRecord model }) continue;
            _publications[(model.Agreement, model.Round)] = height;
            _entries[(model.Agreement, model.Round)] = state.FirstIndex + position;
            _validators[(model.Agreement, model.Round)] = _sets[executed.Block.Header.Validators];
            Last = model;
        }

        foreach (var leaf in state.Leaves)
        {
            if (Leaf.TryParse(leaf, out var parsed) && parsed is Entry { Result: Rejection.None } entry) Remember(executed.Block, height, entry);
        }
    }

    private void Remember(Block block, long height, Entry entry)
    {
        if (Transaction.TryParse(block.Transactions[entry.Position], out var transaction) is not Rejection.None || transaction!.Payload is not { Contract: "round", Method: "Attest" or "Project" or "AggregateProposal" } payload) return;
        if (ContractCalls.TryRead(payload.Contract, payload.Method, payload.Arguments, out var call) is not Rejection.None) return;
        if (call is Attest attest) Add(_verdicts, attest.Proposal, new Verdict(height, payload.Actor, attest.Ok, attest.Work));
        else if (call is AggregateProposal proposal) _proposals.TryAdd(proposal.ProposalDigest, height);
        else if (call is ProjectInputs told) Add(_images, told.Proposal, new ToldImages(height, payload.Actor, told.Images));
    }

    private static void Add<T>(Dictionary<Digest, List<T>> lists, Digest proposal, T item)
    {
        if (!lists.TryGetValue(proposal, out var list)) lists[proposal] = list = [];
        list.Add(item);
    }
}
