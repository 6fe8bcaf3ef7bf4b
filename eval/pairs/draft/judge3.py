src=open('/tmp/judge.py').read(); exec(src[:src.rindex("if __name__")])
from memsvc.domain.unit import Assertion
CACHE='/tmp/pairs-%s.pkl'%(os.environ.get('TAG','en'))
PROPER=re.compile(r"(?<![.!?:]\s)(?<!^)\b[A-ZÀ-Þ][\w'’-]*(?:\s+[A-ZÀ-Þ0-9][\w'’-]*)*|\S*\d\S*")
def mask(t): return PROPER.sub('it',t)
ASS=[a.value for a in Assertion]
def typed(raws,s):
    n=sum(any(c.isdigit() for c in w) for w in raws); p=sum(w in s.prop and not any(c.isdigit() for c in w) for w in raws)
    return n,p,len(raws)-n-p
def prep(s):
    s.prop=set(); 
    for m in PROPER.finditer(s.said):
        s.prop|={w.lower() for w in RAW.findall(m.group())}
class X: pass
def more(a,b):
    ra,rb=set(a.raw),set(b.raw)
    gone=[w for w in a.raw if w not in rb]; new=[w for w in b.raw if w not in ra]; sh=[w for w in b.raw if w in ra]
    f=[*typed(gone,a),*typed(new,b),*typed(sh,b)]
    f+=[a.u.assertion==x for x in ASS]+[b.u.assertion==x for x in ASS]+['?' in a.said,'?' in b.said]
    f+=[a.mk is not None and float(a.mk@b.mk), float(a.mk@b.mk)-float(a.vec@b.vec)]
    return f
def proj_lin(ps,M):
    return pfeats(ps,M)
def cv(ps,XX,y,groups,label,vec=True,params=LP,rounds=250):
    Sc=np.zeros(len(ps))
    for g in sorted(set(groups)):
        tr=np.flatnonzero(groups!=g); te=np.flatnonzero(groups==g)
        Z=XX
        if vec: Z=np.concatenate([XX,F[g]],1)
        Sc[te]=lightgbm.train(params,lightgbm.Dataset(Z[tr],y[tr]),rounds).predict(Z[te])
    from sklearn.metrics import roc_auc_score as auc
    print(label,'AUC %.3f'%auc(y,Sc),'R@.92 %.2f R@.9 %.2f R@.85 %.2f R@.8 %.2f'%tuple(pr(y,Sc,q)[0] for q in (.92,.9,.85,.8)),flush=True)
    return Sc
if __name__=='__main__':
    ps=pickle.load(open(CACHE,'rb')); memo={}
    def S(t):
        k=t[0].text
        if k not in memo: memo[k]=Side(t[0]); memo[k].vec=t[1]; prep(memo[k])
        return memo[k]
    ps=[(p[0],S(p[1]),S(p[2]),*p[3:]) for p in ps]
    bad=('question','hypothetical')
    ps=[p for p in ps if p[1].u.assertion.value not in bad and p[2].u.assertion.value not in bad and '?' not in p[1].said and '?' not in p[2].said]
    ss=list(memo.values()); enc=ENC(); Vm=np.asarray(enc.encode([mask(s.said) for s in ss]))
    for s,v in zip(ss,Vm): s.mk=v
    X=np.array([feats(p[1],p[2]) for p in ps],dtype=np.float32); X2=np.array([more(p[1],p[2]) for p in ps],dtype=np.float32); y=np.array([p[3] for p in ps])
    groups=np.array([fold(p[0][1],4) for p in ps]); print(len(ps),y.mean())
    F={}
    for g in range(4):
        tr=np.flatnonzero(groups!=g); te=np.flatnonzero(groups==g); f=np.zeros((len(ps),2),dtype=np.float32)
        inner=np.array([fold(ps[i][0][1]+'x',3) for i in tr])
        for h in range(3):
            a=tr[inner!=h]; b=tr[inner==h]; f[b]=pfeats([ps[i] for i in b],project([ps[i] for i in a]))
        f[te]=pfeats([ps[i] for i in te],project([ps[i] for i in tr])); F[g]=f
    pickle.dump((X,X2,y,groups,F,[(p[0],p[4],p[5],p[6]) for p in ps]),open('/tmp/jx.pkl','wb'))
    cv(ps,X[:,:1],y,groups,'cos only',False)
    cv(ps,X,y,groups,'plain',False); cv(ps,X,y,groups,'plain+vec')
    A=np.concatenate([X,X2],1); cv(ps,A,y,groups,'all',False); Sc=cv(ps,A,y,groups,'all+vec')
    cv(ps,np.concatenate([X,X2[:,:-2]],1),y,groups,'all but masked +vec')
    cv(ps,A,y,groups,'all+vec small',params=LP|{'num_leaves':7,'min_data_in_leaf':80},rounds=300)
    for w in sorted({p[4] for p in ps}):
        i=[n for n,p in enumerate(ps) if p[4]==w]; print('  ',w,len(i),'label',y[i].mean(),'mean %.2f'%Sc[i].mean(),'>.7 %.2f'%(Sc[i]>.7).mean())
    o=np.argsort(-Sc)
    print('FALSE'); [print('  %.2f'%Sc[n],ps[n][4],'|',ps[n][5],'->',ps[n][6]) for n in o if not y[n]][:0]
    for n in [n for n in o if not y[n]][:40]: print('  F %.2f'%Sc[n],ps[n][4],'|',ps[n][5],'->',ps[n][6])
    for n in [n for n in o[::-1] if y[n]][:40]: print('  M %.2f'%Sc[n],ps[n][4],'|',ps[n][5],'->',ps[n][6])
