using System.Collections.Concurrent;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>What a validator says about published models to other people's tools (docs/spec/statement.md), made from the final blocks and the models' blobs.</summary>
/// <param name="genesis">The shard's genesis.</param>
/// <param name="chain">The final blocks.</param>
/// <param name="blobs">Where the models are.</param>
public sealed class Statements(Genesis genesis, CommittedChain chain, IBlobStore blobs)
{
    // A model's file is hashed once, however often it is asked for.
    private readonly ConcurrentDictionary<Digest, Digest> _files = [];

    /// <summary>The model that was published last; null when none was.</summary>
    public ModelRecord? Last
    {
        get
        {
            var models = LedgerState.Of(chain.Head.Executed).Contracts.All<ModelRecord>(ModelRecord.Prefix).ToArray();
            return models.Length == 0 ? null : models.MaxBy(model => Publication(model).Index);
        }
    }

    /// <summary>The statement about a round's model, signed; null when there is no such model, or its blob cannot be had.</summary>
    public async Task<byte[]?> Sign(Digest agreement, int round, ISigner signer, CancellationToken cancellationToken)
    {
        var state = LedgerState.Of(chain.Head.Executed).Contracts;
        if (state.Find<ModelRecord>(ModelRecord.Key(agreement, round)) is not { } model || await FileOf(state, model, cancellationToken) is not { } file) return null;
        var statement = ModelStatement.Write(genesis, state, model, Publication(model).Index, file);
        var signature = await signer.Sign(StatementBundle.Preimage(statement), cancellationToken);
        return StatementBundle.Write(statement, signer.PublicKey, signature);
    }

    // Once a model is in the state it stays there, so the block that brought it is found by halving.
    private (long Height, long Index) Publication(ModelRecord model)
    {
        var key = ModelRecord.Key(model.Agreement, model.Round);
        long low = 1, high = chain.Count - 1;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (At(middle).Contracts.Find<ModelRecord>(key) is not null) high = middle; else low = middle + 1;
        }

        var state = At(low);
        var position = state.Events.ToList().FindIndex(events => events.Any(item => item is { Type: "ModelPublished", Record: ModelRecord record } && record == model));
        return (low, state.FirstIndex + position);
    }

    private LedgerState At(long height) => LedgerState.Of(chain.From(height, 1)[0].Executed);

    private async Task<Digest?> FileOf(ContractState state, ModelRecord model, CancellationToken cancellationToken)
    {
        if (_files.TryGetValue(model.Model, out var known)) return known;
        if (await blobs.Find(model.Root, cancellationToken) is null) return null;
        var content = new MemoryStream();
        await blobs.CopyTo(model.Root, content, cancellationToken);
        return Hash();

        Digest? Hash()
        {
            var terms = state.Find<AgreementRecord>(AgreementRecord.Key(model.Agreement))!.Agreement;
            if (!ModelSpec.TryParse(terms.ModelSpec, out var spec) || !ModelBlob.TryRead(spec, content.GetBuffer().AsSpan(0, (int)content.Length), out var parameters)) return null;
            return _files[model.Model] = ModelFile.DigestOf(spec, parameters);
        }
    }
}
