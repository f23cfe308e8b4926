// Worlds of four seats, of which so many are run twice; who hears whom is drawn once, and single messages are lost besides.

event eLiars: set[int];

fun Honest(): tRules { return (quorum = 3, notarizeOnce = true, finalizeUnlessNullified = true); }

// Whatever a seat does that runs twice is in the end what two honest copies of it do, each for its own audience.
fun World(twins: int, views: int, rules: tRules) {
  var all: seq[Voter];
  var heard: seq[Voter];
  var liars: set[int];
  var sides: seq[int];
  var i: int;
  var j: int;
  while (i < twins) {
    liars += (i);
    i = i + 1;
  }
  announce eLiars, liars;
  i = 0;
  while (i < 4 + twins) {
    all += (i, new Voter((seat = i % 4, copy = i, views = views, rules = rules)));
    sides += (i, choose(3));
    i = i + 1;
  }
  i = 0;
  while (i < sizeof(all)) {
    heard = default(seq[Voter]);
    j = 0;
    while (j < sizeof(all)) {
      // Side 2 hears and is heard by all; there is no wall without twins.
      if (twins == 0 || sides[i] == 2 || sides[j] == 2 || sides[i] == sides[j]) heard += (sizeof(heard), all[j]);
      j = j + 1;
    }
    send all[i], ePeers, heard;
    i = i + 1;
  }
}

machine AllHonest { start state S { entry { World(0, 4, Honest()); } } }
machine OneTwin { start state S { entry { World(1, 4, Honest()); } } }
machine TwoTwins { start state S { entry { World(2, 2, Honest()); } } }

// Honest or one twin: but a rule is broken.
machine SmallQuorum { start state S { entry { World(1, 2, (quorum = 2, notarizeOnce = true, finalizeUnlessNullified = true)); } } }
machine NotarizeTwice { start state S { entry { World(1, 2, (quorum = 3, notarizeOnce = false, finalizeUnlessNullified = true)); } } }
machine FinalizeNullified { start state S { entry { World(0, 3, (quorum = 3, notarizeOnce = true, finalizeUnlessNullified = false)); } } }

test allHonest [main = AllHonest]: assert Views, Agreement, Blameless in { AllHonest, Voter };
test oneTwin [main = OneTwin]: assert Views, Agreement, Blameless in { OneTwin, Voter };
// More than f: whatever forks names them, and nobody else.
test twoTwins [main = TwoTwins]: assert Agreement, Blameless in { TwoTwins, Voter };
test smallQuorum [main = SmallQuorum]: assert Agreement in { SmallQuorum, Voter };
test notarizeTwice [main = NotarizeTwice]: assert Views in { NotarizeTwice, Voter };
test finalizeNullified [main = FinalizeNullified]: assert Agreement in { FinalizeNullified, Voter };
