// What must hold for whatever certificates there are.

// No view has two notarized blocks, and none is final and nullified.
spec Views observes eCertified {
  var certified: set[tVote];

  start state Watching {
    on eCertified do (vote: tVote) {
      var other: tVote;
      foreach (other in certified) {
        assert !(vote.view == other.view && vote.kind == NOTARIZE && other.kind == NOTARIZE && vote.block != other.block), format("TWO NOTARIZED in view {0}", vote.view);
        assert !(vote.view == other.view && vote.kind == FINALIZE && other.kind == NULLIFY), format("FINAL AND NULLIFIED view {0}", vote.view);
        assert !(vote.view == other.view && vote.kind == NULLIFY && other.kind == FINALIZE), format("FINAL AND NULLIFIED view {0}", vote.view);
      }
      certified += (vote);
    }
  }
}

// All final blocks lie on one chain; and if not, so many are named by what they have signed (docs/spec/consensus.md §10).
spec Agreement observes eSigned, eBuilt, eCertified {
  var votes: map[int, set[tVote]];
  var parents: map[int, int];
  var final: set[int];

  start state Watching {
    on eBuilt do (block: tBlock) { parents[block.block] = block.parent; }

    on eSigned do (signed: tSigned) {
      if (!(signed.seat in votes)) votes[signed.seat] = default(set[tVote]);
      votes[signed.seat] += (signed.vote);
    }

    on eCertified do (vote: tVote) {
      var other: int;
      if (vote.kind != FINALIZE) return;
      foreach (other in final) assert Descends(vote.block, other) || Descends(other, vote.block), format("FORK in view {0}, {1} named", vote.view, Named());
      final += (vote.block);
    }
  }

  fun Descends(block: int, from: int): bool {
    var at: int;
    at = block;
    while (at != from && at != 0) at = parents[at];
    return at == from;
  }

  fun Named(): int {
    var seat: int;
    var named: int;
    while (seat < 4) {
      if (seat in votes && Contradicts(votes[seat])) named = named + 1;
      seat = seat + 1;
    }
    return named;
  }
}

// Nobody who runs once is ever named.
spec Blameless observes eSigned, eLiars {
  var liars: set[int];
  var votes: map[int, set[tVote]];

  start state Watching {
    on eLiars do (seats: set[int]) { liars = seats; }

    on eSigned do (signed: tSigned) {
      if (!(signed.seat in votes)) votes[signed.seat] = default(set[tVote]);
      votes[signed.seat] += (signed.vote);
      assert signed.seat in liars || !Contradicts(votes[signed.seat]), format("HONEST NAMED seat {0}", signed.seat);
    }
  }
}

// Two votes of one view that no guard admits both.
fun Contradicts(votes: set[tVote]): bool {
  var a: tVote;
  var b: tVote;
  foreach (a in votes) {
    foreach (b in votes) {
      if (a.view == b.view && a.kind == b.kind && a.block != b.block) return true;
      if (a.view == b.view && a.kind == NULLIFY && b.kind == FINALIZE) return true;
    }
  }
  return false;
}
